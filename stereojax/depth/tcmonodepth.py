"""Estimates depth with TCMonoDepth's small network, each frame independently."""

from pathlib import Path

import jax.numpy as jnp
from flax.typing import Dtype

from stereojax.depth.networks.load import load_depth_network
from stereojax.depth.networks.tcmonodepth import (
    MULTIPLE,
    TCMonoDepthConfig,
    TCMonoDepthNetwork,
)
from stereojax.depth.per_frame import PerFrameDepth, Size
from stereojax.depth.preprocess import to_size
from stereojax.shapes import Array, Float, Shaped


class TCMonoDepth(PerFrameDepth):
    """TCMonoDepth's small network as an estimator."""

    def __init__(
        self,
        network: TCMonoDepthNetwork,
        *,
        name: str,
        licence: str,
        batch: int | None = None,  # frames computed together; default by device
        shortest: int = 256,  # pixels of the network input's shorter side
    ):
        super().__init__(
            network,
            preprocess,
            name=name,
            licence=licence,
            batch=batch,
            shortest=shortest,
            multiple=MULTIPLE,
        )

    @classmethod
    def load(
        cls, folder: Path, *, dtype: Dtype | None = None, batch: int | None = None
    ) -> "TCMonoDepth":
        """Loads the estimator from a converted part.

        Computes in `dtype`: by default float32 on a CPU, bfloat16 elsewhere.

        Raises:
          InputError: the part is absent, damaged or of another class.
        """
        network, config = load_depth_network(
            folder, TCMonoDepthNetwork, TCMonoDepthConfig, dtype
        )
        return cls(network, name=config["part"], licence=config["licence"], batch=batch)


def preprocess(
    frames: Shaped[Array, "b h w 3"], size: Size
) -> Float[Array, "b hd wd 3"]:
    """Returns uint8 or uint16 RGB frames as float32 in [0, 1] at the network's size.

    The published code resizes 8-bit pictures with OpenCV's cubic filter, which clips
    its overshoot. That code also rounds to 8 bits; this function does not.
    """
    return jnp.clip(to_size(frames, size), 0, 1)

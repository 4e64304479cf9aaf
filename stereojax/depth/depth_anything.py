"""Depth of video frames by Depth Anything V2, each frame on its own."""

from pathlib import Path

from flax.typing import Dtype

from stereojax.depth.networks.depth_anything_v2 import (
    DepthAnythingV2,
    DepthAnythingV2Config,
)
from stereojax.depth.per_frame import PerFrameDepth, load_per_frame
from stereojax.depth.preprocess import preprocess


class DepthAnything(PerFrameDepth):
    """Depth Anything V2 as an estimator."""

    def __init__(
        self,
        network: DepthAnythingV2,
        *,
        name: str,
        licence: str,
        batch: int | None = None,  # frames computed together; default by the device
        shortest: int = 518,  # pixels of the shorter side that the network sees
    ):
        super().__init__(
            network,
            preprocess,
            name=name,
            licence=licence,
            batch=batch,
            shortest=shortest,
            multiple=network.config.patch,
        )

    @classmethod
    def load(
        cls, folder: Path, *, dtype: Dtype | None = None, batch: int | None = None
    ) -> "DepthAnything":
        """From a converted part.

        Computes in `dtype`: by default float32 on a CPU, bfloat16 elsewhere.

        Raises:
          InputError: there is no such part, or it is not of this network.
        """
        network, config = load_per_frame(
            folder, DepthAnythingV2, DepthAnythingV2Config, dtype
        )
        return cls(network, name=config["part"], licence=config["licence"], batch=batch)

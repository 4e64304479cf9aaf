"""Estimates depth with Depth Anything V2, each frame independently."""

from pathlib import Path

from flax.typing import Dtype

from stereojax.depth.networks.depth_anything_v2 import (
    DepthAnythingV2,
    DepthAnythingV2Config,
)
from stereojax.depth.networks.load import load_depth_network
from stereojax.depth.per_frame import PerFrameDepth
from stereojax.depth.preprocess import preprocess


class DepthAnything(PerFrameDepth):
    """A per-frame depth estimator with a Depth Anything V2 network."""

    def __init__(
        self,
        network: DepthAnythingV2,
        *,
        name: str,
        licence: str,
        batch: int | None = None,  # frames computed together; default by device
        shortest: int = 518,  # pixels of the network input's shorter side
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
        """Loads the estimator from the folder of a converted network.

        Args:
          dtype: the network's computation type; by default float32 on a CPU, bfloat16
            elsewhere.
          batch: frames computed together; by default chosen by device.

        Raises:
          InputError: the folder is absent, damaged or holds another network.
        """
        network, config = load_depth_network(
            folder, DepthAnythingV2, DepthAnythingV2Config, dtype
        )
        return cls(network, name=config["part"], licence=config["licence"], batch=batch)

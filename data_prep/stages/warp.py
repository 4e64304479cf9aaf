"""Splats the left view to the right eye, as training does again."""

import dataclasses

import numpy as np

from stereojax.shapes import Float, UInt8
from stereojax.splat import forward_splat, sharpness_for


@dataclasses.dataclass(frozen=True)
class Warp:
    """`forward_splat` with the arguments that a record's provenance stores."""

    sharpness: float
    mask: str = "soft"
    border: str = "full"

    @classmethod
    def for_width(cls, width: int) -> "Warp":
        """Returns the warp that inference uses for pictures of this width."""
        return cls(sharpness_for(width))

    def __call__(
        self, left: UInt8[np.ndarray, "h w 3"], disparity: Float[np.ndarray, "h w"]
    ) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
        """Returns (warped, occlusion) of a decoded frame."""
        splat = forward_splat(left, disparity, **dataclasses.asdict(self))
        return np.asarray(splat.warped), np.asarray(splat.occlusion)

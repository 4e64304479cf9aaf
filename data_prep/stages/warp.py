"""The left view seen by the right eye: the splat that training recomputes."""

import dataclasses

import numpy as np

from stereojax.shapes import Float, UInt8
from stereojax.splat import forward_splat, sharpness_for


@dataclasses.dataclass(frozen=True)
class Warp:
    """`forward_splat` with the arguments that a record's provenance states."""

    sharpness: float
    mask: str = "soft"
    border: str = "full"

    @classmethod
    def at(cls, width: int) -> "Warp":
        """As inference splats pictures of this width."""
        return cls(sharpness_for(width))

    def __call__(
        self, left: UInt8[np.ndarray, "h w 3"], disparity: Float[np.ndarray, "h w"]
    ) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
        """(warped, occlusion) of a frame, as decoded from its record."""
        splat = forward_splat(left, disparity, **dataclasses.asdict(self))
        return np.asarray(splat.warped), np.asarray(splat.occlusion)

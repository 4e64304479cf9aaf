"""The amounts of the background fill for a picture's width."""

import dataclasses
import math

from stereojax.stage_types import REFERENCE_WIDTH


@dataclasses.dataclass(frozen=True)
class FillAmounts:
    """Constants of the background fill; lengths in pixels of the picture itself."""

    reach: float  # over which the known colours beside the hole are averaged
    spread: float  # over which rows are blended at the hole's edge
    spread_growth: float  # how much more with each pixel of distance from it
    passes: int  # of the blend: the longest distance is 2 ** (passes - 1)
    edge: float  # colour distance beyond which two pixels are not the same surface
    steps: int  # of Laplace's equation
    row_share: float  # weight of the plain extension in the mean

    @classmethod
    def for_width(
        cls, width: int, *, edge: float, steps: int, row_share: float
    ) -> "FillAmounts":
        """Returns the amounts for a picture `width` pixels wide."""
        scale = width / REFERENCE_WIDTH
        # The longest distance is 16 at a width of 1024; at least one pass.
        passes = 1 + max(0, math.ceil(math.log2(0.012 * width)))
        return cls(2 * scale, scale, 0.3, passes, edge, steps, float(row_share))

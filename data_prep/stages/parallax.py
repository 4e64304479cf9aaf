"""Parallax alignment: the constant shift that makes the disparities of a shot >= 0.

The minimum ignores rare disparities, which may be mismatches; see `_robust_minimum`.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from data_prep.stages.correspondence import Correspondence, correspond
from data_prep.stages.eyes import depth_spread
from data_prep.stages.packing import View
from stereojax.shapes import Float

_WIDTH = 640  # of the small pictures that are matched
_MIN_CERTAIN = 100  # certain pixels; a picture with fewer is ignored
# Mismatches are scattered over the full range, surfaces are not: a disparity counts if
# this percentage of the certain pixels is within this distance above it.
_MIN_PERCENT = 1.0
_NEAR = 2.0  # px of the small picture


@dataclasses.dataclass(frozen=True)
class Parallax:
    """The range of disparity of a shot, in pixels of the film's views."""

    low: float
    high: float
    share: float  # of the texture that matches
    spread: float  # 5th to 95th percentile, % of the width

    @property
    def shift(self) -> int:
        """Pixels to move the right view left; negative: right.

        The disparity `low` becomes 0 to 1 px.
        """
        return -math.floor(self.low)


@dataclasses.dataclass(frozen=True)
class FindParallax:
    """Measures the range of disparity on a few pictures of a shot."""

    def __call__(self, pairs: Sequence[tuple[View, View]]) -> Parallax | None:
        """Returns None if there is too little to match."""
        matches = [correspond(left, right, _WIDTH) for left, right in pairs]
        matches = [m for m in matches if m.certain.size >= _MIN_CERTAIN]
        if not matches:
            return None
        # The range is over all pictures: an extreme may be in a few of them only.
        low, high = np.array([_disparity_range(m) for m in matches]).T
        return Parallax(
            low=float(low.min()),
            high=float(high.max()),
            share=float(np.median([m.share for m in matches])),
            spread=max(depth_spread(m) for m in matches),
        )


def _disparity_range(match: Correspondence) -> tuple[float, float]:
    """Returns the robust minimum and maximum, in pixels of the film's views."""
    values = np.sort(match.certain * np.float32(match.scale))
    return tuple(
        sign * _robust_minimum(np.sort(sign * values)) / match.scale for sign in (1, -1)
    )


def _robust_minimum(values: Float[np.ndarray, "n"]) -> float:
    """Returns the smallest of the sorted values that has enough values near it."""
    near = np.searchsorted(values, values + np.float32(_NEAR))
    near -= np.arange(len(values))
    first = int(np.argmax(near >= len(values) * _MIN_PERCENT / 100))
    # One in twenty of the near values may still be a mismatch.
    return float(np.percentile(values[first : first + near[first]], 5))

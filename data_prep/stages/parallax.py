"""Finds the constant shift that makes all disparities of a shot positive or zero.

The smallest disparity is a robust minimum, because rare values may be mismatches.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from data_prep.stages.correspondence import Correspondence, correspond
from data_prep.stages.eyes import depth_spread
from data_prep.stages.packing import View
from stereojax.shapes import Float

_WIDTH = 640  # px of the reduced pictures that are matched
_MIN_CERTAIN = 100  # pictures with fewer certain matches (pixels) are ignored
# Mismatches are scattered over the full range, surfaces are not: a disparity can be the
# minimum if `_MIN_PERCENT` of the certain matches are at most `_NEIGHBORHOOD` above it.
_MIN_PERCENT = 1.0
_NEIGHBORHOOD = 2.0  # px of the reduced pictures


@dataclasses.dataclass(frozen=True)
class Parallax:
    """The range of disparity of a shot, in pixels of the film's views."""

    low: float
    high: float
    share: float  # share of the textured pixels that match in both directions
    spread: float  # disparity from 5th to 95th percentile, % of the width

    @property
    def shift(self) -> int:
        """Pixels by which the right view is moved left; negative moves it right.

        It changes the disparity `low` to a value from 0 to 1 px.
        """
        return -math.floor(self.low)


@dataclasses.dataclass(frozen=True)
class FindParallax:
    """Measures the range of disparity on a few pairs of views of a shot."""

    def __call__(self, pairs: Sequence[tuple[View, View]]) -> Parallax | None:
        """Returns the range over all pairs, or None if none has enough matches."""
        matches = [correspond(left, right, _WIDTH) for left, right in pairs]
        matches = [m for m in matches if m.certain.size >= _MIN_CERTAIN]
        if not matches:
            return None
        # Take the range over all pairs: only a few of them may show the nearest object.
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
    """Returns the smallest of the sorted values that is supported by its neighbours."""
    near = np.searchsorted(values, values + np.float32(_NEIGHBORHOOD))
    near -= np.arange(len(values))  # number of values in the neighbourhood of each
    first = int(np.argmax(near >= len(values) * _MIN_PERCENT / 100))
    # The 5th percentile: one in twenty of these values may still be a mismatch.
    return float(np.percentile(values[first : first + near[first]], 5))

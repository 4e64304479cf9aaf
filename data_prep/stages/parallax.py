"""Parallax alignment: the constant shift that makes the disparities of a shot >= 0.

All but what is too small or too rare to be told from mismatches: see `FindParallax`.
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
_FEWEST = 100  # certain pixels in a picture that is of use
# Mismatches lie scattered over the whole range, surfaces do not: a disparity counts
# where so many of the certain pixels, in %, lie within so many px of the small picture.
_ENOUGH, _WITHIN = 1.0, 2.0


@dataclasses.dataclass(frozen=True)
class Parallax:
    """The disparities of a shot, in pixels of the views as they lie in the film."""

    low: float
    high: float
    share: float  # of the texture that matches
    spread: float  # 5th to 95th percentile, % of the width

    @property
    def shift(self) -> int:
        """Pixels to move the right view to the left; negative: to the right.

        What was at `low` is then less than a pixel from 0, on the positive side.
        """
        return -math.floor(self.low)


@dataclasses.dataclass(frozen=True)
class FindParallax:
    """Measures the range of disparity of a shot on a few of its pictures."""

    def __call__(self, pairs: Sequence[tuple[View, View]]) -> Parallax | None:
        """None where there is too little to match."""
        matches = [correspond(left, right, _WIDTH) for left, right in pairs]
        matches = [m for m in matches if m.certain.size >= _FEWEST]
        if not matches:
            return None
        # The nearest and the farthest of the shot may be in a few pictures only.
        low, high = np.array([_range(m) for m in matches]).T
        return Parallax(
            low=float(low.min()),
            high=float(high.max()),
            share=float(np.median([m.share for m in matches])),
            spread=max(depth_spread(m) for m in matches),
        )


def _range(match: Correspondence) -> tuple[float, float]:
    values = np.sort(match.certain * np.float32(match.scale))
    return tuple(sign * _end(np.sort(sign * values)) / match.scale for sign in (1, -1))


def _end(values: Float[np.ndarray, "n"]) -> float:
    """The least of sorted values that has enough others beside it."""
    more = np.searchsorted(values, values + np.float32(_WITHIN)) - np.arange(
        len(values)
    )
    first = int(np.argmax(more >= len(values) * _ENOUGH / 100))
    # Of those beside it one in twenty may still be a mismatch.
    return float(np.percentile(values[first : first + more[first]], 5))

"""Whether two views are two views, and which of them is the left eye's.

A pair and the same pair with its eyes swapped match equally well. What tells them apart
is what only one eye sees. Where disparity steps up from left to right, a band of the
left view has no partner. It belongs to whatever is farther away. With the eyes in order
that is the side of the smaller disparity; with the eyes swapped, the other one. So its
colour votes.
"""

import dataclasses

import numpy as np

from data_prep.stages.correspondence import Correspondence
from stereojax.shapes import Bool, Int

_STEP = 3  # px of disparity, from which a band is wide enough to have a colour
_BESIDE = 4  # px next to a band that it is compared with
_CLEAR = 12  # code values by which one side must be nearer to it


@dataclasses.dataclass(frozen=True)
class Votes:
    """Sums of votes that can be added up over frames."""

    given: float | int = 0
    ordered: float | int = 0  # for the eyes in order, less those against
    count: int = 0

    def __add__(self, other: "Votes") -> "Votes":
        mine, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
        return Votes(*(a + b for a, b in zip(mine, theirs, strict=True)))

    @property
    def order(self) -> float:
        """From -1, certainly swapped, to 1, certainly in order; 0 where few voted."""
        return self.ordered / self.given if self.count >= 30 else 0.0


def vote(match: Correspondence) -> Votes:
    """What the bands without partner in the left picture say."""
    picture, disparity = match.small[0], match.disparity
    row, start, stop = _runs(~match.agrees)
    inner = (start >= _BESIDE) & (stop < picture.shape[1] - _BESIDE)
    row, start, stop = row[inner], start[inner], stop[inner]
    step = disparity[row, stop] - disparity[row, start - 1]
    # As wide as the step is high, give or take: else it is no band but a bad match.
    length = stop - start
    band = (step >= _STEP) & (length >= step / 2) & (length <= 2 * step + _BESIDE)
    row, start, stop, quarter = row[band], start[band], stop[band], length[band] // 4
    sums = np.cumsum(picture, axis=1, dtype=np.float32)
    sums = np.pad(sums, ((0, 0), (1, 0), (0, 0)))

    def color(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return (sums[row, last] - sums[row, first]) / (last - first)[:, None]

    middle = color(start + quarter, np.maximum(stop - quarter, start + quarter + 1))
    before, after = color(start - _BESIDE, start - 1), color(stop + 1, stop + _BESIDE)
    unlike_before = np.abs(middle - before).max(axis=1)
    unlike_after = np.abs(middle - after).max(axis=1)
    votes = unlike_after - unlike_before
    votes = votes[np.abs(votes) > _CLEAR]
    return Votes(float(np.abs(votes).sum()), float(votes.sum()), len(votes))


def depth_spread(match: Correspondence) -> float:
    """Range of disparity, 5th to 95th percentile, in % of the width; NaN: unknown.

    0 for one picture twice, shifted or not.
    """
    certain = match.certain
    if certain.size < 100:
        return float("nan")
    low, high = np.percentile(certain, (5, 95))
    return float(100 * (high - low) * match.scale / match.disparity.shape[1])


def _runs(
    mask: Bool[np.ndarray, "h w"],
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Row, start and stop of each run of True within a row."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    return row, start, np.nonzero(edges == -1)[1]

"""Measures whether two views are a stereo pair, and whether the eyes are in order.

A pair and the same pair with swapped eyes match equally well. Only occlusions tell them
apart. Where disparity steps up from left to right, a band of the left view has no
partner in the right view. The band shows the background. With the eyes in order, the
background is the side of smaller disparity; with swapped eyes, the other side. So each
band votes by its colour: it resembles the side that it belongs to.
"""

import dataclasses

import numpy as np

from data_prep.stages.correspondence import Correspondence
from stereojax.shapes import Bool, Int

_MIN_STEP = 3  # px of disparity; a smaller step leaves a band too narrow for a colour
_MARGIN = 4  # px on each side of a band that its colour is compared with
_MIN_CONTRAST = 12  # code values by which the band must be nearer to one side
_MIN_VOTES = 30


@dataclasses.dataclass(frozen=True)
class EyeOrderVotes:
    """Sums of votes; the sums of several frames can be added."""

    total: float | int = 0  # weights of all votes
    ordered: float | int = 0  # weights for eyes in order, minus those for swapped eyes
    count: int = 0

    def __add__(self, other: "EyeOrderVotes") -> "EyeOrderVotes":
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return EyeOrderVotes(*(a + b for a, b in pairs))

    @property
    def order(self) -> float:
        """From -1, certainly swapped, to 1, certainly in order; 0 with few votes."""
        return self.ordered / self.total if self.count >= _MIN_VOTES else 0.0


def count_votes(match: Correspondence) -> EyeOrderVotes:
    """Counts the votes of the bands without partner in the left picture."""
    picture, disparity = match.small[0], match.disparity
    # Bands: runs of pixels that do not agree, with a margin inside the picture.
    row, start, stop = _runs(~match.agrees)
    inner = (start >= _MARGIN) & (stop < picture.shape[1] - _MARGIN)
    row, start, stop = row[inner], start[inner], stop[inner]
    # An occlusion is about as wide as its disparity step; else it is a bad match.
    step = disparity[row, stop] - disparity[row, start - 1]
    length = stop - start
    band = (step >= _MIN_STEP) & (length >= step / 2) & (length <= 2 * step + _MARGIN)
    row, start, stop, quarter = row[band], start[band], stop[band], length[band] // 4

    # Compare the mean colour of the band's middle with both sides.
    sums = np.cumsum(picture, axis=1, dtype=np.float32)
    sums = np.pad(sums, ((0, 0), (1, 0), (0, 0)))

    def color(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return (sums[row, last] - sums[row, first]) / (last - first)[:, None]

    middle = color(start + quarter, np.maximum(stop - quarter, start + quarter + 1))
    before, after = color(start - _MARGIN, start - 1), color(stop + 1, stop + _MARGIN)
    unlike_before = np.abs(middle - before).max(axis=1)
    unlike_after = np.abs(middle - after).max(axis=1)
    votes = unlike_after - unlike_before
    votes = votes[np.abs(votes) > _MIN_CONTRAST]
    return EyeOrderVotes(float(np.abs(votes).sum()), float(votes.sum()), len(votes))


def depth_spread(match: Correspondence) -> float:
    """Returns the 5th to 95th percentile range of disparity, in % of the width.

    NaN if unknown; 0 if both views are one picture, shifted or not.
    """
    certain = match.certain
    if certain.size < 100:
        return float("nan")
    low, high = np.percentile(certain, (5, 95))
    return float(100 * (high - low) * match.scale / match.disparity.shape[1])


def _runs(
    mask: Bool[np.ndarray, "h w"],
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Returns row, start and stop of each run of True within a row."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    return row, start, np.nonzero(edges == -1)[1]

"""Finds borders inside the views: letterboxes, pillarboxes, floating windows."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_prep.stages.packing import Resized, View

_TOLERANCE = 8  # code values by which coding changes a border's colour
_MIN_UNIFORM = 0.98  # share of a line's pixels within the tolerance
_MIN_EDGE = 8  # code values between the last lines of the border and the picture
_BLUR = 3  # lines over which scaling and coding blur the edge
_MAX_BORDER = 0.25  # share of height or width; more is a dark scene, not a border


@dataclasses.dataclass(frozen=True)
class CropBox:
    """Columns `left` to `right - 1` and rows `top` to `bottom - 1` of a picture."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def crop(self, view: View) -> Resized:
        return view[self.top : self.bottom, self.left : self.right]


@dataclasses.dataclass(frozen=True)
class FindBorders:
    """Finds rows and columns of one colour, constant over time, at the views' edges.

    Both views get the same box: at each edge, the wider border of the two views is
    removed.
    """

    def __call__(self, pairs: Sequence[tuple[View, View]]) -> CropBox:
        """Returns the box inside the borders, for pairs of views of one shot."""
        height, width = pairs[0][0].shape[:2]
        borders = np.zeros(4, int)
        for eye in range(2):
            views = np.stack([pair[eye] for pair in pairs])
            columns = views.swapaxes(1, 2)
            sides = columns, views, columns[:, ::-1], views[:, ::-1]
            borders = np.maximum(borders, [_border_width(side) for side in sides])
        left, top, right, bottom = borders.tolist()
        return CropBox(left, top, width - right, height - bottom)


def _border_width(lines: np.ndarray) -> int:
    """Returns the number of lines of the border at the first line.

    `lines`: (t, n, m, 3); n lines of m pixels, in t pictures.
    """
    count = lines.shape[1]
    # The border ends at the first line that differs from the colour of line 0.
    first = lines[:, 0].reshape(-1, 3)
    color = np.median(first, axis=0)
    limit = int(_MAX_BORDER * count)
    for n in range(limit + 1):
        line = lines[:, n].astype(np.float32) - color
        near = (np.abs(line) <= _TOLERANCE).all(axis=-1)
        if near.mean(axis=-1).min() < _MIN_UNIFORM:
            break
    else:
        return 0
    if not n:
        return 0
    # A border ends at an edge; the colour of a sky or a wall changes gradually.
    before, after = (
        lines[:, i].mean(axis=(0, 1))
        for i in (max(0, n - _BLUR), min(n + _BLUR, count - 1))
    )
    if np.abs(after - before).max() < _MIN_EDGE:
        return 0
    return min(n + _BLUR, count)

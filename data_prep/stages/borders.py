"""Bars and borders that are part of the pictures: letterboxes, floating windows."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_prep.stages.packing import Resized, View

_SAME = 8  # code values around a border's colour that coding makes of it
_MOST = 0.98  # of a line's pixels are that near
_EDGE = 8  # code values by which the picture's first lines differ from its last ones
_SOFT = 3  # lines into which scaling and coding smear a border
_WIDEST = 0.25  # of a side; more is a dark scene and no border


@dataclasses.dataclass(frozen=True)
class Box:
    """Columns `left` to `right` and rows `top` to `bottom`, ends excluded."""

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

    def cut(self, view: View) -> Resized:
        return view[self.top : self.bottom, self.left : self.right]


@dataclasses.dataclass(frozen=True)
class FindBorders:
    """Lines of one colour, the same in every picture, at the sides of the views.

    Each side is taken off both eyes alike: as much as the eye with more of it has.
    """

    def __call__(self, pairs: Sequence[tuple[View, View]]) -> Box:
        """What is left, of pictures of one shot."""
        height, width = pairs[0][0].shape[:2]
        sides = np.zeros(4, int)
        for eye in range(2):
            views = np.stack([pair[eye] for pair in pairs])
            across = views.swapaxes(1, 2)
            found = [
                _border(v) for v in (across, views, across[:, ::-1], views[:, ::-1])
            ]
            sides = np.maximum(sides, found)
        left, top, right, bottom = sides.tolist()
        return Box(left, top, width - right, height - bottom)


def _border(lines: np.ndarray) -> int:
    """How many of the first lines (t n m 3) are border."""
    count = lines.shape[1]
    first = lines[:, 0].reshape(-1, 3)
    color = np.median(first, axis=0)
    most = int(_WIDEST * count)
    for n in range(most + 1):
        line = lines[:, n].astype(np.float32) - color
        near = (np.abs(line) <= _SAME).all(axis=-1)
        if near.mean(axis=-1).min() < _MOST:
            break
    else:
        return 0
    if not n:
        return 0
    last, next_ = (
        lines[:, i].mean(axis=(0, 1))
        for i in (max(0, n - _SOFT), min(n + _SOFT, count - 1))
    )
    if np.abs(next_ - last).max() < _EDGE:  # it fades: a sky, or a wall
        return 0
    return min(n + _SOFT, count)

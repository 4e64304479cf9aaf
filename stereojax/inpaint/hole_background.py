"""The surface behind each run of hole pixels: the far side of the hole."""

import dataclasses

import numpy as np

from stereojax.shapes import Bool, Float, Int

# Columns beyond the hole's far side whose median disparity is the background's: the
# first ones may be mixed with the near object. Pixels of the analysed picture.
FAR_SIDE = (2, 6)
# Stands for unknown disparity: nearer than everything, so that it hides the background.
UNKNOWN = 1e4


@dataclasses.dataclass(frozen=True)
class HoleBackground:
    """The hole pixels of a right view, and the background of each run of them.

    Rows, columns and disparities are those of the analysed picture, which is smaller
    than the right view by `scale`.
    """

    scale: float
    rows: Int[np.ndarray, "n"]  # of the right view itself
    columns: Int[np.ndarray, "n"]
    run: Int[np.ndarray, "n"]  # index of each pixel's run
    far_row: Int[np.ndarray, "r"]  # of the first background pixel, in the left view
    far_column: Int[np.ndarray, "r"]
    disparity: Float[np.ndarray, "r"]
    jump: Float[np.ndarray, "r"]  # the near side's disparity beyond the background's

    def left_places(self) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Returns (column, row) of the left view that hide the background."""
        x = (self.columns + 0.5) / self.scale - 0.5 + self.disparity[self.run]
        return x, (self.rows + 0.5) / self.scale - 0.5


def hole_background(
    hole: Bool[np.ndarray, "hr wr"], disparity: Float[np.ndarray, "h w"]
) -> HoleBackground:
    """Returns the background of the runs between a near and a far side.

    Runs at the frame's sides are left out: nothing tells what is behind them.

    Args:
      hole: of the right view, at the picture's size.
      disparity: of the left view, at the analysed size and in its pixels.
    """
    height, width = disparity.shape
    scale = hole.shape[1] / width
    rows, start, stop = runs(hole)
    inner = (start > 0) & (stop < hole.shape[1] - 3 * scale)
    rows, start, stop = rows[inner], start[inner], stop[inner]
    row = np.clip(np.round((rows + 0.5) / scale - 0.5), 0, height - 1).astype(int)
    far = left_columns(disparity, row, (stop + 0.5) / scale - 0.5)
    near = left_columns(disparity, row, (start - 0.5) / scale - 0.5)
    beyond = np.clip(far[:, None] + np.arange(*FAR_SIDE), 0, width - 1)
    behind = np.median(disparity[row[:, None], beyond], axis=1)
    length = stop - start
    first = np.cumsum(length) - length
    run = np.repeat(np.arange(len(rows)), length)
    columns = np.arange(length.sum()) - first[run] + start[run]
    jump = np.maximum(disparity[row, near] - behind, 0)
    return HoleBackground(scale, rows[run], columns, run, row, far, behind, jump)


def runs(
    hole: Bool[np.ndarray, "h w"],
) -> tuple[Int[np.ndarray, "r"], Int[np.ndarray, "r"], Int[np.ndarray, "r"]]:
    """Returns row, first column and end column of each run of hole pixels."""
    change = np.diff(np.pad(hole, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, start = np.nonzero(change == 1)
    return rows, start, np.nonzero(change == -1)[1]


def left_columns(
    disparity: Float[np.ndarray, "h w"],
    rows: Int[np.ndarray, "r"],
    columns: Float[np.ndarray, "r"],
) -> Int[np.ndarray, "r"]:
    """Returns the left view's column that is seen at places of the right view.

    It is the nearest surface that lands within 0.75 pixels; if nothing does, the column
    that lands closest.
    """
    width = disparity.shape[1]
    known = disparity[disparity < UNKNOWN / 2]
    low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
    offsets = np.arange(np.floor(low) - 1, np.ceil(high) + 2).astype(int)
    tried = np.round(columns).astype(int)[:, None] + offsets
    tried = np.clip(tried, 0, width - 1)
    values = disparity[rows[:, None], tried]
    miss = np.abs(tried - values - columns[:, None])
    # Any surface that lands comes before any that does not.
    score = np.where(miss <= 0.75, values, low - 1 - miss)
    return tried[np.arange(len(rows)), score.argmax(axis=1)]

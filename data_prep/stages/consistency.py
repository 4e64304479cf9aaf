"""The left-right check, and a guess for what it leaves without disparity."""

import dataclasses

import cv2
import numpy as np

from data_prep.stages.correspondence import agreement
from stereojax.shapes import Float


@dataclasses.dataclass(frozen=True)
class Consistency:
    """Keeps what both views agree on; the rest gets the background of its row.

    What has no partner is mostly what the right eye does not see. It lies behind what
    hides it, so the smaller of the disparities on either side of the gap is its own or
    near it, and it lands where something nearer covers it.
    """

    tolerance: float = 1.0  # px by which the two views may disagree

    def __call__(
        self, left: Float[np.ndarray, "h w"], right: Float[np.ndarray, "h w"]
    ) -> tuple[Float[np.ndarray, "h w"], float]:
        """Disparities of the left and of the right view to (filled, share that agreed).

        What comes back is finite and not below 0.
        """
        agrees = agreement(left, right, self.tolerance)
        known = np.where(agrees, left, np.nan).astype(np.float32)
        return np.maximum(fill_rows(known), 0), float(agrees.mean())


def fill_rows(disparity: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Gaps (NaN) take the smaller of their row's known neighbours; then a 5x5 median.

    Rows without any take the row above; a frame without any is 0.
    """
    beside = np.fmin(_carried(disparity), _carried(disparity[:, ::-1])[:, ::-1])
    filled = np.where(np.isfinite(disparity), disparity, beside)
    if not np.isfinite(filled).all():  # whole rows
        down = np.ascontiguousarray(filled.T)
        down, up = _carried(down).T, _carried(down[:, ::-1])[:, ::-1].T
        filled = np.where(
            np.isfinite(filled), filled, np.where(np.isfinite(down), down, up)
        )
    # Rows were filled without their neighbours: the median takes the streaks out.
    return cv2.medianBlur(np.nan_to_num(filled, nan=0.0).astype(np.float32), 5)


def _carried(rows: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Each place has the last finite value up to it; NaN before the first."""
    column = np.where(np.isfinite(rows), np.arange(rows.shape[1]), 0)
    return np.take_along_axis(rows, np.maximum.accumulate(column, axis=1), axis=1)

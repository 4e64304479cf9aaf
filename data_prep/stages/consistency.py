"""The left-right check, and a guess for what it leaves without disparity."""

import dataclasses

import cv2
import numpy as np

from data_prep.stages.correspondence import agreement
from stereojax.shapes import Float

_NONE = -(1 << 14)  # in sixteenths of a pixel: nothing is that far behind the screen
_STREAK = 5  # rows above and below


@dataclasses.dataclass(frozen=True)
class Consistency:
    """Keeps what both views agree on; the rest gets the background of its row.

    What has no partner is mostly what the right eye does not see. It lies behind what
    hides it, so the smaller of the disparities on either side of the gap is its own or
    near it, and it lands where something nearer covers it.
    """

    tolerance: float = 1.0  # px by which the two views may disagree
    speck: float = 1.7e-4  # share of the picture below which a patch is a mismatch

    def __call__(
        self, left: Float[np.ndarray, "h w"], right: Float[np.ndarray, "h w"]
    ) -> tuple[Float[np.ndarray, "h w"], float]:
        """Disparities of the left and of the right view to (filled, share that agreed).

        What comes back is finite and not below 0.
        """
        known = np.where(agreement(left, right, self.tolerance), left, np.nan)
        known = _without_specks(known.astype(np.float32), self.speck)
        filled = np.maximum(fill(known), 0)
        return filled, float(np.isfinite(known).mean())


def _without_specks(
    disparity: Float[np.ndarray, "h w"], share: float
) -> Float[np.ndarray, "h w"]:
    """NaN too where fewer pixels hang together than a share of the picture."""
    sixteenths = np.nan_to_num(disparity * 16, nan=_NONE).astype(np.int16)
    smallest = max(1, int(share * disparity.size))
    cv2.filterSpeckles(sixteenths, _NONE, smallest, 16)  # neighbours within 1 px
    return np.where(sixteenths == _NONE, np.float32("nan"), disparity)


def fill(disparity: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """`fill_rows`, and medians against the streaks of rows filled by themselves."""
    rows = fill_rows(disparity)
    gap = ~np.isfinite(disparity)
    around = np.pad(rows, ((_STREAK, _STREAK), (0, 0)), mode="edge")
    height = len(rows)
    column = [around[i : i + height][gap] for i in range(2 * _STREAK + 1)]
    rows[gap] = np.median(column, axis=0)
    return cv2.medianBlur(rows, 5)


def fill_rows(disparity: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Gaps (NaN) take the smaller of their row's known neighbours.

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
    return np.nan_to_num(filled, nan=0.0).astype(np.float32)


def _carried(rows: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Each place has the last finite value up to it; NaN before the first."""
    column = np.where(np.isfinite(rows), np.arange(rows.shape[1]), 0)
    return np.take_along_axis(rows, np.maximum.accumulate(column, axis=1), axis=1)

"""Checks disparity from left to right and back, and fills the gaps."""

import dataclasses

import cv2
import numpy as np

from data_prep.stages.correspondence import agreement
from stereojax.shapes import Float

# The code for "no disparity" in sixteenths of a pixel, below any real disparity.
_NO_DISPARITY = -(1 << 14)
_STREAK_RADIUS = 5  # rows above and below


@dataclasses.dataclass(frozen=True)
class CheckConsistency:
    """Keeps disparity that both views agree on; fills the rest with background.

    Most pixels without a partner are occluded in the right view. They are behind the
    object that occludes them, so the smaller disparity on either side of the gap is
    close to their own, and the nearer object covers them in the splat.
    """

    tolerance: float = 1.0  # px by which the two views may differ
    min_speck: float = 1.7e-4  # share of the picture; smaller patches are mismatches

    def __call__(
        self, left: Float[np.ndarray, "h w"], right: Float[np.ndarray, "h w"]
    ) -> tuple[Float[np.ndarray, "h w"], float]:
        """Returns the left view's filled disparity, and the share that agreed.

        Args:
          left, right: disparity of the left and of the right view.

        The result is finite and at least 0.
        """
        known = np.where(agreement(left, right, self.tolerance), left, np.nan)
        known = _remove_specks(known.astype(np.float32), self.min_speck)
        filled = np.maximum(fill_gaps(known), 0)
        return filled, float(np.isfinite(known).mean())


def _remove_specks(
    disparity: Float[np.ndarray, "h w"], min_share: float
) -> Float[np.ndarray, "h w"]:
    """Sets patches smaller than a share of the picture to NaN."""
    sixteenths = np.nan_to_num(disparity * 16, nan=_NO_DISPARITY).astype(np.int16)
    min_pixels = max(1, int(min_share * disparity.size))
    # Neighbours within 1 px (16 sixteenths) belong to one patch.
    cv2.filterSpeckles(sixteenths, _NO_DISPARITY, min_pixels, 16)
    return np.where(sixteenths == _NO_DISPARITY, np.float32("nan"), disparity)


def fill_gaps(disparity: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Fills gaps by `fill_rows`, then removes streaks between rows by medians."""
    rows = fill_rows(disparity)
    gap = ~np.isfinite(disparity)
    padding = ((_STREAK_RADIUS, _STREAK_RADIUS), (0, 0))
    padded = np.pad(rows, padding, mode="edge")
    height = len(rows)
    column = [padded[i : i + height][gap] for i in range(2 * _STREAK_RADIUS + 1)]
    rows[gap] = np.median(column, axis=0)
    return cv2.medianBlur(rows, 5)


def fill_rows(disparity: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Fills gaps (NaN) with the smaller of the known neighbours in the row.

    A row without any known disparity takes the nearest known row above, else below; a
    frame without any becomes 0.
    """
    from_left = _carry_forward(disparity)
    from_right = _carry_forward(disparity[:, ::-1])[:, ::-1]
    filled = np.where(np.isfinite(disparity), disparity, np.fmin(from_left, from_right))
    if not np.isfinite(filled).all():  # rows without any known disparity
        columns = np.ascontiguousarray(filled.T)
        above = _carry_forward(columns).T
        below = _carry_forward(columns[:, ::-1])[:, ::-1].T
        filled = np.where(
            np.isfinite(filled), filled, np.where(np.isfinite(above), above, below)
        )
    return np.nan_to_num(filled, nan=0.0).astype(np.float32)


def _carry_forward(rows: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Replaces NaN by the last finite value before it in the row, if there is one."""
    column = np.where(np.isfinite(rows), np.arange(rows.shape[1]), 0)
    return np.take_along_axis(rows, np.maximum.accumulate(column, axis=1), axis=1)

"""Where two small pictures show the same: the evidence that the stages judge by."""

import dataclasses

import cv2
import numpy as np

from stereojax.matching import Sgbm, match_both
from stereojax.shapes import Bool, Float, UInt8

# The farthest that two views of one scene may lie apart, share of the width.
REACH = 0.125
_TEXTURE = 4.0  # a slope in code values per pixel that a matcher can hold on to
_AGREE = 1.0  # px


@dataclasses.dataclass(frozen=True)
class Correspondence:
    """Two-way matching of two pictures at `scale` times their size."""

    disparity: Float[np.ndarray, "h w"]  # pixels of the small pictures; NaN: none
    agrees: Bool[np.ndarray, "h w"]  # the partner in the right picture says the same
    textured: Bool[np.ndarray, "h w"]  # the left picture has something to match
    small: tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]
    scale: float

    @property
    def certain(self) -> Float[np.ndarray, "n"]:
        """Disparity, in the whole pictures' pixels, of what is textured and agrees."""
        return self.disparity[self.agrees & self.textured] / np.float32(self.scale)

    @property
    def share(self) -> float:
        """Of the textured pixels, how many agree; NaN where there are too few."""
        count = np.count_nonzero(self.textured)
        if count < 0.005 * self.textured.size:
            return float("nan")
        return np.count_nonzero(self.agrees & self.textured) / count


def correspond(
    left: UInt8[np.ndarray, "h w 3"],
    right: UInt8[np.ndarray, "h w 3"],
    width: int,
) -> Correspondence:
    """Matches two pictures reduced to `width` pixels, in both signs of disparity."""
    scale = min(1.0, width / left.shape[1])
    views = tuple(_reduced(view, scale) for view in (left, right))
    matcher = Sgbm(least=-REACH, largest=REACH)
    ours, theirs = next(match_both(matcher, [views]))
    agrees = agreement(ours, theirs, _AGREE)
    return Correspondence(ours, agrees, _textured(views[0]), views, scale)


def agreement(
    left: Float[np.ndarray, "h w"], right: Float[np.ndarray, "h w"], tolerance: float
) -> Bool[np.ndarray, "h w"]:
    """Where the right view's disparity is the left one's, at the place it points to."""
    # NaN compares false: what is unknown on either side does not agree.
    return np.abs(_partner(right, left) - left) <= tolerance


def _partner(right: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """Of a map of the right view, what lies where each left pixel points to.

    NaN where that is outside.
    """
    width = disparity.shape[1]
    column = np.arange(width) - np.nan_to_num(disparity, nan=-width)
    column = np.rint(column).astype(np.intp)
    inside = (column >= 0) & (column < width)
    there = np.take_along_axis(right, np.clip(column, 0, width - 1), axis=1)
    nothing = (
        np.zeros((), right.dtype) if right.dtype == bool else right.dtype.type("nan")
    )
    return np.where(inside, there, nothing)


def _textured(picture: np.ndarray) -> np.ndarray:
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    slope = np.abs(cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=1 / 8))
    return cv2.dilate(slope, np.ones((3, 3))) > _TEXTURE


def _reduced(picture: np.ndarray, scale: float) -> np.ndarray:
    height, width = (max(8, round(n * scale)) for n in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)

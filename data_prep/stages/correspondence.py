"""Two-way matching of small pictures, which several stages base decisions on."""

import dataclasses

import cv2
import numpy as np

from stereojax.matching import Sgbm, match_both
from stereojax.shapes import Bool, Float, UInt8

# The largest disparity between two views of one scene, as a share of the width.
MAX_DISPARITY = 0.125
_MIN_GRADIENT = 4.0  # code values per pixel: enough texture to match
_TOLERANCE = 1.0  # px


@dataclasses.dataclass(frozen=True)
class Correspondence:
    """The matches between two pictures, reduced to `scale` times their size."""

    disparity: Float[np.ndarray, "h w"]  # pixels of the small pictures; NaN: no match
    agrees: Bool[np.ndarray, "h w"]  # matching in the other direction agrees
    textured: Bool[np.ndarray, "h w"]  # the left picture has texture
    small: tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]
    scale: float

    @property
    def certain(self) -> Float[np.ndarray, "n"]:
        """Disparity of textured pixels that agree, in pixels of the full pictures."""
        return self.disparity[self.agrees & self.textured] / np.float32(self.scale)

    @property
    def share(self) -> float:
        """Share of textured pixels that agree; NaN if there is too little texture."""
        count = np.count_nonzero(self.textured)
        if count < 0.005 * self.textured.size:
            return float("nan")
        return np.count_nonzero(self.agrees & self.textured) / count


def correspond(
    left: UInt8[np.ndarray, "h w 3"],
    right: UInt8[np.ndarray, "h w 3"],
    width: int,
) -> Correspondence:
    """Matches two pictures, reduced to `width` pixels, in both signs of disparity."""
    scale = min(1.0, width / left.shape[1])
    small = tuple(_reduce(view, scale) for view in (left, right))
    matcher = Sgbm(min_disparity=-MAX_DISPARITY, max_disparity=MAX_DISPARITY)
    left_disparity, right_disparity = next(match_both(matcher, [small]))
    agrees = agreement(left_disparity, right_disparity, _TOLERANCE)
    return Correspondence(left_disparity, agrees, _textured(small[0]), small, scale)


def agreement(
    left: Float[np.ndarray, "h w"], right: Float[np.ndarray, "h w"], tolerance: float
) -> Bool[np.ndarray, "h w"]:
    """Returns where a left pixel and its partner have equal disparity.

    Args:
      left, right: disparity of the left and of the right view.
      tolerance: pixels by which the two may differ.
    """
    # Comparisons with NaN are False: unknown disparity never agrees.
    return np.abs(_sample_at_partner(right, left) - left) <= tolerance


def _sample_at_partner(
    right: Float[np.ndarray, "h w"], disparity: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """Samples a map of the right view at each left pixel's partner; NaN outside."""
    width = disparity.shape[1]
    column = np.arange(width) - np.nan_to_num(disparity, nan=-width)
    column = np.rint(column).astype(np.intp)
    inside = (column >= 0) & (column < width)
    sampled = np.take_along_axis(right, np.clip(column, 0, width - 1), axis=1)
    return np.where(inside, sampled, right.dtype.type("nan"))


def _textured(picture: np.ndarray) -> np.ndarray:
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    gradient = np.abs(cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=1 / 8))
    return cv2.dilate(gradient, np.ones((3, 3))) > _MIN_GRADIENT


def _reduce(picture: np.ndarray, scale: float) -> np.ndarray:
    height, width = (max(8, round(n * scale)) for n in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)

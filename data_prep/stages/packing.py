"""Splits a picture that holds two views."""

import dataclasses
from fractions import Fraction

import numpy as np

from stereojax.shapes import UInt8

View = UInt8[np.ndarray, "h w 3"]
Resized = UInt8[np.ndarray, "_h _w 3"]  # another size than the function's arguments


@dataclasses.dataclass(frozen=True)
class Packing:
    """The arrangement of two views in one picture."""

    side_by_side: bool  # else one above the other
    half: bool  # each view is squeezed to half its size along that axis
    right_first: bool = False

    @property
    def name(self) -> str:
        name = "half_" if self.half else "full_"
        name += "sbs" if self.side_by_side else "tb"
        return f"{name}_right_first" if self.right_first else name

    def split(self, picture: View) -> tuple[Resized, Resized]:
        """Returns (left, right), still squeezed."""
        axis = 1 if self.side_by_side else 0
        size = picture.shape[axis] // 2  # the last line of an odd size is dropped
        if self.side_by_side:
            views = picture[:, :size], picture[:, size : 2 * size]
        else:
            views = picture[:size], picture[size : 2 * size]
        return views[::-1] if self.right_first else views

    def pixel_aspect(self, sample_aspect: Fraction) -> Fraction:
        """Returns width / height of a view's pixel after it is stretched."""
        if not self.half:
            return sample_aspect
        return sample_aspect * 2 if self.side_by_side else sample_aspect / 2


def is_half(
    width: int, height: int, side_by_side: bool, sample_aspect: Fraction
) -> bool:
    """Returns whether the views in a `width` x `height` picture are squeezed.

    Decides by shape: films are 1.33 to 2.76 times as wide as high. If squeezed views
    are taken for full views, their ratio is 0.67 to 1.2 side by side, and 2.67 to 5.6
    one above the other. (2.67 is a squeezed 4:3 film; it is misjudged in favour of wide
    films.)
    """
    shown_width = width * sample_aspect
    if side_by_side:
        return shown_width / 2 / height < Fraction(127, 100)
    return shown_width / height * 2 > Fraction(279, 100)

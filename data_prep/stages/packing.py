"""Two views in one picture, taken apart."""

import dataclasses
from fractions import Fraction

import numpy as np

from stereojax.shapes import UInt8

View = UInt8[np.ndarray, "h w 3"]
Resized = UInt8[np.ndarray, "_h _w 3"]  # of another size than what it is made of


@dataclasses.dataclass(frozen=True)
class Packing:
    """How a picture holds the views."""

    beside: bool  # side by side, else one above the other
    half: bool  # each view squeezed to half along that axis
    right_first: bool = False

    @property
    def name(self) -> str:
        name = ("half_" if self.half else "full_") + ("sbs" if self.beside else "tb")
        return f"{name}_right_first" if self.right_first else name

    def split(self, picture: View) -> tuple[Resized, Resized]:
        """(left, right), each as large as it lies in the picture."""
        axis = 1 if self.beside else 0
        size = picture.shape[axis] // 2  # of an odd one the last line is nobody's
        if self.beside:
            views = picture[:, :size], picture[:, size : 2 * size]
        else:
            views = picture[:size], picture[size : 2 * size]
        return views[::-1] if self.right_first else views

    def pixel_aspect(self, sample_aspect: Fraction) -> Fraction:
        """Width of a view's pixel, once stretched, in heights."""
        if not self.half:
            return sample_aspect
        return sample_aspect * 2 if self.beside else sample_aspect / 2


def is_half(width: int, height: int, beside: bool, sample_aspect: Fraction) -> bool:
    """Whether views in a `width` x `height` picture are squeezed, by their shape.

    Films are 1.33 to 2.76 times as wide as high. Taken for full ones, squeezed views
    of them come out at 0.67 to 1.2 side by side, and at 2.67 to 5.6 one above the
    other (2.67: a squeezed 4:3 film, given up for all the wide ones).
    """
    across = width * sample_aspect
    if beside:
        return across / 2 / height < Fraction(127, 100)
    return across / height * 2 > Fraction(279, 100)

"""What a stereo matcher is."""

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from stereojax.matching.twice import twice
from stereojax.shapes import Float, UInt8

View = UInt8[np.ndarray, "h w 3"]
Pair = tuple[View, View]  # left and right, rectified: what matches lies on one row
Disparity = Float[np.ndarray, "h w"]


@runtime_checkable
class Matcher(Protocol):
    """Finds where each pixel of the left view lies in the right one."""

    name: str
    licence: str
    per_frame: bool  # a frame's disparity does not depend on its neighbours

    def span(self, width: int) -> tuple[float, float]:
        """The disparities that it can find in views `width` wide: (least, largest)."""
        ...

    def match(self, pairs: Iterator[Pair]) -> Iterator[Disparity]:
        """Disparities of the left views of one shot, one for each pair, in order.

        In pixels of the view, x_right = x_left - disparity: positive = in front of the
        screen. NaN where it finds nothing.
        """
        ...


def match_both(
    matcher: Matcher, pairs: Iterable[Pair]
) -> Iterator[tuple[Disparity, Disparity]]:
    """Disparities of the left and of the right view, both in the sign of the left.

    The right one is that of the left view of the mirrored pair. Holds no more pairs
    than the matcher reads before its first disparity.
    """
    first, second = twice(pairs)
    mirrored = ((_mirror(right), _mirror(left)) for left, right in second)
    for left, right in zip(matcher.match(first), matcher.match(mirrored), strict=True):
        yield left, _mirror(right)


def _mirror(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[:, ::-1])

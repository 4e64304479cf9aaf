"""The contract of a stereo matcher."""

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from stereojax.matching.tee import bounded_tee
from stereojax.shapes import Float, UInt8

View = UInt8[np.ndarray, "h w 3"]
Pair = tuple[View, View]  # left and right, rectified: matching points share a row
Disparity = Float[np.ndarray, "h w"]


@runtime_checkable
class Matcher(Protocol):
    """Estimates the disparity of left views."""

    name: str
    licence: str
    per_frame: bool  # the disparity of a frame does not depend on other frames

    def disparity_range(self, width: int) -> tuple[float, float]:
        """Returns the minimum and maximum disparity, px, in views `width` wide."""
        ...

    def match(self, pairs: Iterator[Pair]) -> Iterator[Disparity]:
        """Yields the left view's disparity for each pair of one shot, in order.

        In pixels, x_right = x_left - disparity: positive = in front of the screen. NaN
        where no match was found.
        """
        ...


def match_both(
    matcher: Matcher, pairs: Iterable[Pair]
) -> Iterator[tuple[Disparity, Disparity]]:
    """Yields the disparities of left and right views, both in the left view's sign.

    The right view's disparity is matched on the mirrored pair, whose left view it is.
    Buffers only the pairs that the matcher reads before it yields a disparity.
    """
    forward, backward = bounded_tee(pairs)
    mirrored = ((_mirror(right), _mirror(left)) for left, right in backward)
    for left, right in zip(
        matcher.match(forward), matcher.match(mirrored), strict=True
    ):
        yield left, _mirror(right)


def _mirror(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[:, ::-1])

"""From a view in a film to a picture of a record: cropped, aligned, scaled."""

import dataclasses
from fractions import Fraction

import cv2
import numpy as np

from data_prep.film_summary import Refused
from data_prep.stages.borders import Box
from data_prep.stages.packing import Resized, View
from stereojax.settings.data import DataSettings
from stereojax.stage_types import VideoInfo


@dataclasses.dataclass(frozen=True)
class Fit:
    """Which part of each view is taken, and the size that it gets."""

    left: Box
    right: Box  # as large, moved by the shift
    width: int
    height: int

    @classmethod
    def plan(
        cls,
        content: Box,  # what the views show inside their borders
        shift: int,  # px that the right view moves to the left
        pixel_aspect: Fraction,
        width: int,
        height: int,
    ) -> "Fit":
        """The largest part in the middle that both eyes have, in the shape wanted.

        The views are cut and never padded: moving the right view by `shift` leaves
        `|shift|` columns that only one of them has.
        """
        if abs(shift) >= content.width:
            raise ValueError(f"shift {shift} of views {content.width} wide")
        across = content.width - abs(shift)
        wanted = Fraction(width, height) / pixel_aspect  # in pixels of the film
        if Fraction(across, content.height) > wanted:
            size = max(1, round(content.height * wanted)), content.height
        else:
            size = across, max(1, round(across / wanted))
        x = content.left + (across - size[0]) // 2
        y = content.top + (content.height - size[1]) // 2

        def box(x: int) -> Box:
            return Box(x, y, x + size[0], y + size[1])

        # A point at x in the right view lands at x - shift.
        return cls(box(x + max(0, -shift)), box(x + max(0, shift)), width, height)

    @property
    def enlargement(self) -> float:
        """By how much the part taken grows, as a mean of across and down."""
        taken = self.left.width * self.left.height
        return (self.width * self.height / taken) ** 0.5

    @property
    def scale(self) -> float:
        """The record's pixels for one across in the film."""
        return self.width / self.left.width

    def __call__(self, left: View, right: View) -> tuple[Resized, Resized]:
        right = resize(self.right.cut(right), self.width, self.height)
        return self.one(left), right

    def one(self, left: View) -> Resized:
        return resize(self.left.cut(left), self.width, self.height)


def check_size(
    info: VideoInfo,
    shape: tuple[int, int],  # of a view, as it lies in the film
    pixel_aspect: Fraction,
    settings: DataSettings,
) -> None:
    """Refuses a film with too few pixels in what becomes a picture."""
    box = Box(0, 0, shape[1], shape[0])
    fit = Fit.plan(box, 0, pixel_aspect, settings.width, settings.height)
    if fit.enlargement > settings.max_enlarge:
        raise Refused(
            "too_small",
            f"{info.path}: {fit.left.width}x{fit.left.height} of each view would be"
            f" enlarged to {settings.width}x{settings.height}, by more than"
            f" {settings.max_enlarge:g}; set a smaller size (--config.width,"
            " --config.height), or allow it (--config.max_enlarge)",
        )


def resize(picture: View, width: int, height: int) -> Resized:
    """Averages areas where it shrinks and interpolates where it grows, per axis."""
    # OpenCV averages only where both axes shrink: so one after the other.
    for size in ((picture.shape[1], height), (width, height)):
        here = picture.shape[1], picture.shape[0]
        if size == here:
            continue
        shrinks = size[0] * size[1] < here[0] * here[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        picture = cv2.resize(picture, size, interpolation=method)
    return np.ascontiguousarray(picture)

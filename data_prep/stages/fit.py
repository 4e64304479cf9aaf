"""Fits a film's views to the record's size: cropped, aligned, scaled."""

import dataclasses
from fractions import Fraction

import cv2
import numpy as np

from data_prep.film_summary import RefusalError
from data_prep.stages.borders import CropBox
from data_prep.stages.packing import Resized, View
from stereojax.settings.data import DataSettings
from stereojax.stage_types import VideoInfo


@dataclasses.dataclass(frozen=True)
class Fit:
    """The crop of each view, and the size that it is scaled to."""

    left: CropBox
    right: CropBox  # the same size as `left`, moved by the shift
    width: int
    height: int

    @classmethod
    def plan(
        cls,
        content: CropBox,  # the views without their borders
        shift: int,  # px by which the right view moves left
        pixel_aspect: Fraction,
        width: int,
        height: int,
    ) -> "Fit":
        """Returns the largest centred crop that both views have, of the record's shape.

        Views are cropped and never padded: `|shift|` columns are in one view only after
        the right view has moved.
        """
        if abs(shift) >= content.width:
            raise ValueError(
                f"shift {shift} px: expected less than the views' width {content.width}"
            )
        common = content.width - abs(shift)
        shape = Fraction(width, height) / pixel_aspect  # in pixels of the film
        if Fraction(common, content.height) > shape:
            size = max(1, round(content.height * shape)), content.height
        else:
            size = common, max(1, round(common / shape))
        x = content.left + (common - size[0]) // 2
        y = content.top + (content.height - size[1]) // 2

        def box(x: int) -> CropBox:
            return CropBox(x, y, x + size[0], y + size[1])

        # A point at x in the right view moves to x - shift.
        return cls(box(x + max(0, -shift)), box(x + max(0, shift)), width, height)

    @property
    def enlargement(self) -> float:
        """Factor by which the crop is enlarged, the geometric mean of both axes."""
        pixels = self.left.width * self.left.height
        return (self.width * self.height / pixels) ** 0.5

    @property
    def scale(self) -> float:
        """Pixels of the record's width for each pixel of the film's width."""
        return self.width / self.left.width

    def __call__(self, left: View, right: View) -> tuple[Resized, Resized]:
        right = resize(self.right.crop(right), self.width, self.height)
        return self.fit_left(left), right

    def fit_left(self, left: View) -> Resized:
        return resize(self.left.crop(left), self.width, self.height)


def check_size(
    info: VideoInfo,
    shape: tuple[int, int],  # height and width of a view in the film
    pixel_aspect: Fraction,
    settings: DataSettings,
) -> None:
    """Refuses a film whose views are too small for the record's size."""
    box = CropBox(0, 0, shape[1], shape[0])
    fit = Fit.plan(box, 0, pixel_aspect, settings.width, settings.height)
    if fit.enlargement > settings.max_enlarge:
        raise RefusalError(
            "too_small",
            f"{info.path}: {fit.left.width}x{fit.left.height} of each view would be"
            f" enlarged to {settings.width}x{settings.height}, by more than"
            f" {settings.max_enlarge:g}; set a smaller size (--config.width,"
            " --config.height), or allow it (--config.max_enlarge)",
        )


def resize(picture: View, width: int, height: int) -> Resized:
    """Resizes each axis on its own: area average to shrink, cubic to enlarge."""
    # OpenCV averages areas only if both axes shrink, so the axes go one at a time.
    for size in ((picture.shape[1], height), (width, height)):
        current = picture.shape[1], picture.shape[0]
        if size == current:
            continue
        shrinks = size[0] * size[1] < current[0] * current[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        picture = cv2.resize(picture, size, interpolation=method)
    return np.ascontiguousarray(picture)

"""Which frames of a clip a sample shows, and which part of the picture."""

import dataclasses

import numpy as np
from PIL import Image

from stereojax.cli import RunError
from stereojax.records import Frames
from stereojax.settings.train import TrainSettings
from stereojax.shapes import Float, Shaped
from stereojax.training.input.clips import Clip


def draw_frames(
    clip: Clip, rng: np.random.Generator, settings: TrainSettings
) -> np.ndarray:
    """(frames,) indices: a start and a stride, drawn among those that fit.

    Raises:
      RunError: the clip is too short for any.
    """
    steps, length = settings.frames - 1, len(clip)
    longest = (length - 1) // steps if steps else settings.max_stride
    longest = min(longest, settings.max_stride)
    if length < 1 or longest < settings.min_stride:
        raise RunError(
            f"{clip.name} has {length} frames where {settings.frames} at a stride of "
            f"{settings.min_stride} are to be drawn; lower config.train.frames or "
            "config.train.min_stride"
        )
    stride = int(rng.integers(settings.min_stride, longest + 1))
    start = int(rng.integers(0, length - steps * stride))
    return start + stride * np.arange(settings.frames)


@dataclasses.dataclass(frozen=True)
class Crop:
    """An enlargement, then a window of the sample's size."""

    height: int
    width: int
    scale: float
    top: float  # of what lies beyond the window, the share above it
    left: float


def draw_crop(
    height: int, width: int, rng: np.random.Generator, settings: TrainSettings
) -> Crop:
    """At least as large as covers the sample; up to `zoom` times that."""
    cover = max(settings.height / height, settings.width / width)
    zoom = rng.uniform(1, settings.zoom)
    top, left = rng.uniform(0, 1, 2)
    return Crop(settings.height, settings.width, cover * zoom, float(top), float(left))


def cropped(frames: Frames, crop: Crop) -> Frames:
    """Both views and the disparity, which grows with the picture."""
    height, width = frames.left.shape[1:3]
    # Rounded up, so that the window fits.
    size = (
        max(crop.height, round(height * crop.scale)),
        max(crop.width, round(width * crop.scale)),
    )
    top = round(crop.top * (size[0] - crop.height))
    left = round(crop.left * (size[1] - crop.width))
    window = (
        slice(None),
        slice(top, top + crop.height),
        slice(left, left + crop.width),
    )
    views = (_resized(view, size)[window] for view in (frames.left, frames.right))
    disparity = _nearest(frames.disparity, size)[window] * np.float32(size[1] / width)
    return Frames(*map(np.ascontiguousarray, views), np.ascontiguousarray(disparity))


def _resized(
    pictures: Shaped[np.ndarray, "t h w 3"], size: tuple[int, int]
) -> Shaped[np.ndarray, "t h2 w2 3"]:
    if pictures.shape[1:3] == size:
        return pictures
    way = Image.Resampling.BICUBIC  # antialiased when it shrinks
    return np.stack(
        [np.asarray(Image.fromarray(p).resize(size[::-1], way)) for p in pictures]
    )


def _nearest(
    disparity: Float[np.ndarray, "t h w"], size: tuple[int, int]
) -> Float[np.ndarray, "t h2 w2"]:
    """Of the nearest pixel: a mean of two surfaces would be a third."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size, disparity.shape[1:], strict=True)
    )
    return disparity[:, rows[:, None], columns[None]]

"""Selects the frames and the crop of a training sample at random."""

import dataclasses

import numpy as np
from PIL import Image

from stereojax.cli import RunError
from stereojax.records import Frames
from stereojax.settings.train import TrainSettings
from stereojax.shapes import Float, Shaped
from stereojax.training.input.clips import Clip


def draw_frame_indices(
    clip: Clip, rng: np.random.Generator, settings: TrainSettings
) -> np.ndarray:
    """Returns `settings.frames` frame numbers, with a random start and stride.

    Raises:
      RunError: the clip is too short.
    """
    gaps, length = settings.frames - 1, len(clip)
    largest = (length - 1) // gaps if gaps else settings.max_stride
    largest = min(largest, settings.max_stride)
    if length < 1 or largest < settings.min_stride:
        raise RunError(
            f"{clip.name} has {length} frames, too few for {settings.frames} at a "
            f"stride of {settings.min_stride}; lower config.train.frames or "
            "config.train.min_stride"
        )
    stride = int(rng.integers(settings.min_stride, largest + 1))
    start = int(rng.integers(0, length - gaps * stride))
    return start + stride * np.arange(settings.frames)


@dataclasses.dataclass(frozen=True)
class Crop:
    """A resize, followed by a crop to `height` x `width`."""

    height: int
    width: int
    scale: float
    # Position of the crop, from 0 (top or left edge) to 1 (bottom or right edge).
    top: float
    left: float


def draw_crop(
    height: int, width: int, rng: np.random.Generator, settings: TrainSettings
) -> Crop:
    """Returns a crop with random scale and position.

    The scale is between 1 and `settings.zoom` times the smallest scale at which a
    picture of `height` x `width` covers the sample.
    """
    cover = max(settings.height / height, settings.width / width)
    zoom = rng.uniform(1, settings.zoom)
    top, left = rng.uniform(0, 1, 2)
    return Crop(settings.height, settings.width, cover * zoom, float(top), float(left))


def crop_frames(frames: Frames, crop: Crop) -> Frames:
    """Resizes and crops both views and the disparity; scales the disparity's values."""
    height, width = frames.left.shape[1:3]
    # Without `max`, rounding could make the resized frame smaller than the crop.
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
    views = (_resize(view, size)[window] for view in (frames.left, frames.right))
    disparity = _resize_nearest(frames.disparity, size)[window] * np.float32(
        size[1] / width
    )
    return Frames(*map(np.ascontiguousarray, views), np.ascontiguousarray(disparity))


def _resize(
    frames: Shaped[np.ndarray, "t h w 3"], size: tuple[int, int]
) -> Shaped[np.ndarray, "t h2 w2 3"]:
    if frames.shape[1:3] == size:
        return frames
    bicubic = Image.Resampling.BICUBIC  # Pillow antialiases when it reduces
    return np.stack(
        [np.asarray(Image.fromarray(x).resize(size[::-1], bicubic)) for x in frames]
    )


def _resize_nearest(
    disparity: Float[np.ndarray, "t h w"], size: tuple[int, int]
) -> Float[np.ndarray, "t h2 w2"]:
    """Resizes with nearest neighbours: a mean would lie between two surfaces."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size, disparity.shape[1:], strict=True)
    )
    return disparity[:, rows[:, None], columns[None]]

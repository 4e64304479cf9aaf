"""Batches of a film's frames on the device, with their depth, ready to be rendered."""

import dataclasses
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.inference.film_depth import FilmDepth
from stereojax.inpaint.fill import Fill
from stereojax.pipeline import RenderLook, render_window
from stereojax.shapes import Array, Shaped
from stereojax.stage_types import (
    FrameRange,
    Splat,
    StereoFrames,
    VideoIndex,
    VideoInfo,
    WindowDepth,
)
from stereojax.video.reading.prefetch import prefetch
from stereojax.video.reading.reader import Frame, Reader
from stereojax.windows import batched

# Pixels of a batch on the device; two batches are there while one is packed.
_PIXELS = {"cpu": 500_000, "gpu": 25_000_000, "tpu": 25_000_000}


def batch_size(info: VideoInfo) -> int:
    """Returns the number of frames that are rendered together."""
    pixels = _PIXELS.get(jax.default_backend(), _PIXELS["cpu"])
    return max(1, min(32, pixels // (info.width * info.height)))


@dataclasses.dataclass(frozen=True)
class FrameBatch:
    """Consecutive frames of a shot; arrays may end with copies of the last frame."""

    frames: list[Frame]
    shot: int
    left: Shaped[Array, "t h w 3"]
    depth: WindowDepth
    splat: Splat | None = None  # of a splat grid; None: to be computed

    def render(self, look: RenderLook, fill: Fill) -> StereoFrames:
        start = self.frames[0].index
        frames = FrameRange(self.shot, start, start + len(self.frames))
        return render_window(
            self.left, self.depth, frames, look, fill, splat=self.splat
        )


@runtime_checkable
class FrameSource(Protocol):
    """A film whose frames can be read in batches, any number of times."""

    index: VideoIndex

    @property
    def info(self) -> VideoInfo:
        """Describes the left view."""
        ...

    def read(self, frames: FrameRange, reader: Reader) -> Iterator[FrameBatch]:
        """Yields `frames` in batches of `batch_size(info)`."""
        ...

    def disparity_range(self, shot: int, look: RenderLook) -> tuple[float, float]:
        """Returns the disparity in pixels of a shot's far and near depth."""
        ...


@dataclasses.dataclass(frozen=True)
class FilmSource:
    """An ordinary film with its depth."""

    index: VideoIndex
    depth: FilmDepth

    @property
    def info(self) -> VideoInfo:
        return self.index.info

    def read(self, frames: FrameRange, reader: Reader) -> Iterator[FrameBatch]:
        size = batch_size(self.info)
        for batch in read_batches(frames, reader, size):
            left = jnp.asarray(stack_padded([f.image for f in batch], size))
            first = batch[0].index
            part = FrameRange(frames.shot, first, first + len(batch))
            depth = self.depth.window(part, size)
            yield FrameBatch(batch, frames.shot, left, depth)

    def disparity_range(self, shot: int, look: RenderLook) -> tuple[float, float]:
        return self.depth.disparity_range(shot, look, self.info.width)


def read_batches(
    frames: FrameRange, reader: Reader, size: int
) -> Iterator[list[Frame]]:
    """Yields lists of `size` frames, decoded ahead; the last may be shorter."""
    ahead = prefetch(reader.read(frames.start, frames.stop), max(4, size))
    return batched(ahead, size)


def stack_padded(
    images: list[Shaped[np.ndarray, "h w 3"]], size: int
) -> Shaped[np.ndarray, "t h w 3"]:
    """Stacks pictures and repeats the last one: every batch has one compiled shape."""
    return np.stack(images + images[-1:] * (size - len(images)))

"""Any frames of a film, with what the right eye sees of them."""

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from stereojax import pipeline
from stereojax.inference.depth_stage import Disparity
from stereojax.pipeline import Look
from stereojax.shapes import Array, Float, Shaped
from stereojax.stage_types import Splat, VideoIndex, VideoInfo
from stereojax.video.reading.prefetch import prefetch
from stereojax.video.reading.reader import Frame, Reader
from stereojax.windows import batched

# Pixels that are on the device at once; two batches are, while one is packed.
_PIXELS = {"cpu": 500_000, "gpu": 25_000_000, "tpu": 25_000_000}


def batch_size(info: VideoInfo) -> int:
    """Frames that are splatted together."""
    pixels = _PIXELS.get(jax.default_backend(), _PIXELS["cpu"])
    return max(1, min(32, pixels // (info.width * info.height)))


@dataclasses.dataclass(frozen=True)
class Warped:
    """Some frames of a shot; arrays may be padded behind, with the last frame."""

    frames: list[Frame]
    left: Shaped[Array, "t h w 3"]
    disparity: Float[Array, "t h w"]
    splat: Splat


@dataclasses.dataclass(frozen=True)
class Warper:
    """Splats any run of frames of one film."""

    index: VideoIndex
    disparity: Disparity
    look: Look

    @property
    def info(self) -> VideoInfo:
        """Of the left view."""
        return self.index.info

    @property
    def batch_size(self) -> int:
        return batch_size(self.info)

    def read(
        self, start: int, stop: int, shot: int, reader: Reader
    ) -> Iterator[Warped]:
        """Yields frames `start` to `stop - 1`, which are of one shot, in batches."""
        size = self.batch_size
        frames = prefetch(reader.read(start, stop), max(4, size))
        for batch in batched(frames, size):
            images = [f.image for f in batch]
            # One compiled shape serves all: the last batch repeats its last frame.
            left = jnp.asarray(np.stack(images + images[-1:] * (size - len(batch))))
            first = batch[0].index
            disparity = self.disparity.read(
                first, first + len(batch), shot, left, self.look
            )
            yield Warped(batch, left, disparity, pipeline.warp(left, disparity))

    def span(self, shot: int) -> tuple[float, float]:
        """Disparity in pixels of what counts as far and as near in a shot."""
        return self.disparity.span(shot, self.look, self.info.width)

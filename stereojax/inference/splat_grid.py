"""Writes splat grids as the published tool does, and reads films of such grids.

A grid is 2x2 pictures: left view and coloured depth above, mask (white = hole) and
warped view below. The depth picture is not read.
"""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from stereojax.cli import InputError
from stereojax.inference.frame_source import (
    FrameBatch,
    batch_size,
    read_batches,
    stack_padded,
)
from stereojax.ops.integers import as_float
from stereojax.pipeline import RenderLook
from stereojax.shapes import Float, Shaped
from stereojax.stage_types import (
    FrameRange,
    Splat,
    VideoIndex,
    VideoInfo,
    WindowDepth,
)
from stereojax.video.reading.reader import Reader


def make_grid(
    left: Shaped[np.ndarray, "h w 3"],
    depth: Float[np.ndarray, "h w"],  # in [0, 1], 1 = nearest
    occlusion: Float[np.ndarray, "h w"],
    warped: Shaped[np.ndarray, "h w 3"],
) -> Shaped[np.ndarray, "_h _w 3"]:
    """Returns a grid: left and coloured depth above, mask and warped below."""
    upper = np.concatenate([left, _as_type_of(left, inferno(depth))], axis=1)
    mask = np.repeat(occlusion[..., None], 3, axis=-1)
    lower = np.concatenate([_as_type_of(left, mask), warped], axis=1)
    return np.concatenate([upper, lower])


def inferno(depth: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """Colours depth in [0, 1] with the colour map inferno."""
    import mediapy

    return mediapy.to_rgb(np.clip(depth, 0, 1), vmin=0, vmax=1, cmap="inferno")


def _as_type_of(
    image: Shaped[np.ndarray, "h w 3"], values: Float[np.ndarray, "h w 3"]
) -> Shaped[np.ndarray, "h w 3"]:
    """Converts values in [0, 1] to the integer type of `image`."""
    full_scale = np.iinfo(image.dtype).max
    return np.rint(np.clip(values, 0, 1) * full_scale).astype(image.dtype)


def picture_of(grid: VideoInfo) -> VideoInfo:
    """Returns the video info of one picture of a grid.

    Raises:
      InputError: the grid's width or height is odd.
    """
    if grid.width % 2 or grid.height % 2:
        raise InputError(
            f"--splat_grid: {grid.path} is {grid.width}x{grid.height}; expected 2x2 "
            "pictures, so an even width and an even height"
        )
    return dataclasses.replace(grid, width=grid.width // 2, height=grid.height // 2)


@dataclasses.dataclass(frozen=True)
class GridSource:
    """Reads splats from a film of splat grids; disparity is unknown and set to 0."""

    index: VideoIndex  # of the grids

    @property
    def info(self) -> VideoInfo:
        return picture_of(self.index.info)

    def read(self, frames: FrameRange, reader: Reader) -> Iterator[FrameBatch]:
        """Yields batches of left views and splats, with a disparity of 0."""
        size = batch_size(self.info)
        height, width = self.info.height, self.info.width
        for batch in read_batches(frames, reader, size):
            grids = stack_padded([f.image for f in batch], size)
            left = grids[:, :height, :width]
            mask, warped = grids[:, height:, :width], grids[:, height:, width:]
            occlusion = as_float(mask).mean(axis=-1)
            left_frames = [
                dataclasses.replace(frame, image=picture, decoded=None)
                for frame, picture in zip(batch, left, strict=False)
            ]
            yield FrameBatch(
                left_frames,
                frames.shot,
                jnp.asarray(left),
                WindowDepth(jnp.zeros_like(occlusion), jnp.zeros(2), "pixels"),
                Splat(as_float(warped), occlusion),
            )

    def disparity_range(self, shot: int, look: RenderLook) -> tuple[float, float]:
        return 0.0, 0.0

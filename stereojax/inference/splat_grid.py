"""A film whose frames are splat grids, as the published tool writes them.

Two by two pictures: left view, depth (not read), mask (white = hole), warped view.
"""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from stereojax.cli import InputError
from stereojax.inference.warp import Warped, batch_size
from stereojax.ops.integers import as_float
from stereojax.pipeline import Look
from stereojax.stage_types import Splat, VideoIndex, VideoInfo
from stereojax.video.reading.prefetch import prefetch
from stereojax.video.reading.reader import Reader
from stereojax.windows import batched


def picture_of(grid: VideoInfo) -> VideoInfo:
    """The film that a grid holds.

    Raises:
      InputError: the grid's sides are odd.
    """
    if grid.width % 2 or grid.height % 2:
        raise InputError(
            f"--splat_grid: {grid.path} is {grid.width}x{grid.height}; expected two by "
            "two pictures, so even sides"
        )
    return dataclasses.replace(grid, width=grid.width // 2, height=grid.height // 2)


@dataclasses.dataclass(frozen=True)
class GridWarper:
    """In place of a `Warper`: the splats are in the film. Disparity is not; it is 0."""

    index: VideoIndex  # of the grid
    look: Look

    @property
    def info(self) -> VideoInfo:
        return picture_of(self.index.info)

    @property
    def batch_size(self) -> int:
        return batch_size(self.info)

    def read(
        self, start: int, stop: int, shot: int, reader: Reader
    ) -> Iterator[Warped]:
        """As `Warper.read`; frames hold the left view alone."""
        size = self.batch_size
        height, width = self.info.height, self.info.width
        frames = prefetch(reader.read(start, stop), max(4, size))
        for batch in batched(frames, size):
            images = [f.image for f in batch]
            grids = np.stack(images + images[-1:] * (size - len(batch)))
            left = grids[:, :height, :width]
            mask, warped = grids[:, height:, :width], grids[:, height:, width:]
            occlusion = as_float(mask).mean(axis=-1)
            own = [
                dataclasses.replace(frame, image=picture, decoded=None)
                for frame, picture in zip(batch, left, strict=False)
            ]
            splat = Splat(as_float(warped), occlusion)
            yield Warped(own, jnp.asarray(left), jnp.zeros_like(occlusion), splat)

    def span(self, shot: int) -> tuple[float, float]:
        return 0.0, 0.0

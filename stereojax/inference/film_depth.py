"""Depth of any frames of a film, read from its depth file, with each shot's range."""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from stereojax.depth.files.depth_file import DepthFile
from stereojax.depth.normalize import shot_range
from stereojax.depth.steady import (
    apply_corrections,
    estimate_changes,
    steady_corrections,
)
from stereojax.pipeline import RenderLook
from stereojax.shapes import Float
from stereojax.stage_types import FrameRange, VideoIndex, WindowDepth


@dataclasses.dataclass(frozen=True)
class FilmDepth:
    """Reads depth of one scale through each shot, and maps its range to disparity."""

    file: DepthFile
    ranges: tuple[tuple[float, float], ...]  # (far, near) of each shot
    offset: int = 0  # the first frame's number in the file, which may hold more frames
    corrections: np.ndarray | None = None  # (t, 2): scale and shift of each frame

    @classmethod
    def measure(
        cls,
        file: DepthFile,
        index: VideoIndex,
        percents: tuple[float, float],
        offset: int = 0,
        *,
        steady: float = 0.0,
    ) -> "FilmDepth":
        """Measures each shot's range: two percentiles of its own depth.

        `steady`: frames over which depth that was estimated frame by frame keeps its
        scale; other depth is read as it is. 0 = off.
        """
        depth = cls(file, (), offset)
        if steady > 0 and file.units == "relative" and file.per_frame_scale:
            corrections = [
                steady_corrections(
                    estimate_changes(depth.read(shot.start, shot.stop)), steady
                )
                for shot in index.shots
            ]
            depth = cls(file, (), offset, np.concatenate(corrections))
        low, high = percents
        ranges = tuple(
            shot_range(depth.read(shot.start, shot.stop), low=low, high=high)
            for shot in index.shots
        )
        return dataclasses.replace(depth, ranges=ranges)

    def read(self, start: int, stop: int) -> Iterator[Float[np.ndarray, "hd wd"]]:
        """Yields the depth of frames `start` to `stop - 1`, steadied."""
        frames = self.file.read(start + self.offset, stop + self.offset)
        if self.corrections is None:
            yield from frames
            return
        yield from apply_corrections(frames, self.corrections[start:stop])

    def window(self, frames: FrameRange, length: int) -> WindowDepth:
        """Returns the depth of `frames`, padded with the last one to `length`."""
        values = list(self.read(frames.start, frames.stop))
        values += values[-1:] * (length - len(values))
        return WindowDepth(
            jnp.asarray(np.stack(values)),
            jnp.asarray(self.ranges[frames.shot], jnp.float32),
            self.file.units,
        )

    def disparity_range(
        self, shot: int, look: RenderLook, width: int
    ) -> tuple[float, float]:
        """Returns the disparity in pixels of a shot's far and near depth."""
        if self.file.units == "pixels":
            return self.ranges[shot]
        total = look.divergence / 100 * width
        return -look.convergence * total, (1 - look.convergence) * total

"""Feeds the temporal fill of a film with the left views around each frame."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from stereojax.inference.frame_source import FrameSource
from stereojax.inpaint.fill import Fill
from stereojax.inpaint.temporal_fill import (
    REACH,
    LeftFrame,
    analysed_size,
    show_found,
    temporal_fill,
)
from stereojax.pipeline import RenderLook, disparity_of
from stereojax.shapes import Array, Float
from stereojax.stage_types import FrameRange, Splat, is_hole
from stereojax.video.reading.reader import Reader


@dataclasses.dataclass
class TemporalFill:
    """A `Fill` that shows background from other frames, and leaves the rest to another.

    It reads the film a second time, REACH frames ahead of the rendering, and holds
    2 REACH + 1 left views besides the batch. What it shows in a frame depends on the
    frames within REACH in the same shot alone, so a run may begin at any segment.
    """

    source: FrameSource
    look: RenderLook
    rest: Fill  # fills what no frame shows
    frames: dict[int, LeftFrame] = dataclasses.field(default_factory=dict)
    reader: Reader | None = None

    composed = False

    def __call__(self, splat: Splat, frames: FrameRange) -> Float[Array, "t h w 3"]:
        self._hold(frames)
        holes = np.asarray(is_hole(splat.occlusion))
        colors = np.zeros((*holes.shape, 3), np.float32)
        found = np.zeros_like(holes)
        for i in range(len(frames)):
            colors[i], found[i] = temporal_fill(holes[i], frames.start + i, self.frames)
        # The padding repeats the last frame.
        colors[len(frames) :] = colors[len(frames) - 1]
        found[len(frames) :] = found[len(frames) - 1]
        shown = show_found(splat, jnp.asarray(colors), jnp.asarray(found))
        return self.rest(shown, frames)

    def release(self, stop: int) -> None:
        """Closes the film after its last frame."""
        if stop >= len(self.source.index) and self.reader is not None:
            self.reader.close()
            self.reader = None
            self.frames = {}
        self.rest.release(stop)

    def _hold(self, frames: FrameRange) -> None:
        """Holds the frames of the shot within REACH of `frames`, and no others."""
        shot = self.source.index.shots[frames.shot]
        start = max(shot.start, frames.start - REACH)
        stop = min(shot.stop, frames.stop + REACH)
        held = {n: f for n, f in self.frames.items() if start <= n < stop}
        # A render in order only adds frames at the end.
        first = start
        while first in held:
            first += 1
        self.frames = {n: f for n, f in held.items() if n < first}
        if first < stop:
            self._read(FrameRange(frames.shot, first, stop))

    def _read(self, frames: FrameRange) -> None:
        if self.reader is None:
            self.reader = Reader(self.source.index)
        for batch in self.source.read(frames, self.reader):
            size = analysed_size(batch.frames[0].image.shape[:2])
            disparity = np.asarray(disparity_of(batch.depth, self.look, size))
            for frame, values in zip(batch.frames, disparity, strict=False):
                self.frames[frame.index] = LeftFrame.prepare(frame.image, values)

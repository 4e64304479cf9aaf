"""Renders a film segment by segment; a finished segment is never rendered again."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stereojax.cli import Progress
from stereojax.inference.disparity_statistics import Statistics
from stereojax.inference.frame_source import FrameSource, batch_size
from stereojax.inference.outputs import GRID, OutputFile
from stereojax.inference.splat_grid import make_grid
from stereojax.inpaint.fill import Fill
from stereojax.ops.integers import as_integers
from stereojax.pipeline import RenderLook
from stereojax.settings import InferSettings
from stereojax.splat import Choice, choose, sharpness_for
from stereojax.stage_types import FrameRange, StereoFrames, VideoIndex
from stereojax.storage.atomic import read_json, write_json
from stereojax.video.reading.reader import Frame, Reader
from stereojax.video.stereo.layouts import pack
from stereojax.windows import Segment


@dataclasses.dataclass(frozen=True)
class RenderedFilm:
    """The encoded segments of a film, and their statistics."""

    files: dict[str, list[Path]]  # of each output, in the order of time
    by_shot: dict[int, Statistics]
    reused: int  # frames that an earlier run had rendered


@dataclasses.dataclass(frozen=True)
class Renderer:
    """Renders any frames of one film."""

    source: FrameSource
    look: RenderLook
    fill: Fill
    settings: InferSettings
    outputs: tuple[OutputFile, ...]

    @property
    def index(self) -> VideoIndex:
        return self.source.index

    @property
    def splat(self) -> Choice:
        """The splat implementation of this film on this machine, with the reason."""
        info = self.source.info
        shape = (batch_size(info), info.height, info.width, 3)
        compositing = self.settings.compositing
        return choose(shape, sharpness_for(info.width), compositing=compositing)

    def film(self, segments: Sequence[Segment], folder: Path) -> RenderedFilm:
        """Renders those of `segments` that `folder` does not hold yet."""
        by_shot: dict[int, Statistics] = {}
        reused = 0
        progress = Progress("render", len(self.index))
        reader = Reader(self.index)
        for segment in segments:
            # The statistics are written last: they mark the segment as complete.
            marker = folder / f"{segment.index:06}.json"
            content = read_json(marker)
            if content is None:
                content = self._segment(segment, reader, folder, progress)
                write_json(marker, content)
            else:
                reused += len(segment)
                progress.skip(len(segment))
            self.fill.release(segment.stop)
            shot = by_shot.get(segment.shot, Statistics())
            by_shot[segment.shot] = shot + Statistics.from_json(content)
        progress.close()
        reader.close()
        files = {o.name: [o.segment(folder, s) for s in segments] for o in self.outputs}
        return RenderedFilm(files, by_shot, reused)

    def frames(
        self, frames: FrameRange, reader: Reader
    ) -> Iterator[tuple[list[Frame], StereoFrames, Any]]:
        """Yields (frames, their rendering, the right view as integers).

        The rendering of the last batch may be padded at the end. The device computes
        the next batch while the caller packs and encodes this batch.
        """
        waiting = None
        for batch in self.source.read(frames, reader):
            stereo = batch.render(self.look, self.fill)
            right = as_integers(stereo.right, like=batch.left.dtype)
            if waiting is not None:
                yield waiting
            waiting = batch.frames, stereo, right
        if waiting is not None:
            yield waiting

    def unit_depth(self, shot: int, stereo: StereoFrames) -> np.ndarray:
        """Returns (t, h, w) depth for display: 0 = the shot's far, 1 = its near end."""
        far, near = self.source.disparity_range(shot, self.look)
        return (np.asarray(stereo.disparity) - far) / max(near - far, 1e-6)

    def _segment(
        self, segment: Segment, reader: Reader, folder: Path, progress: Progress
    ) -> dict[str, Any]:
        """Renders and encodes a segment; returns its statistics."""
        began = time.monotonic()
        statistics = Statistics()
        writers = {o.name: o.open(o.segment(folder, segment)) for o in self.outputs}
        views = [w for name, w in writers.items() if name != GRID]
        try:
            for frames, stereo, right in self.frames(segment.frames, reader):
                count = len(frames)
                for frame, view in zip(frames, np.asarray(right), strict=False):
                    packed = pack(
                        frame.image, view, self.settings.layout, self.settings.anaglyph
                    )
                    for writer, picture in zip(views, packed, strict=True):
                        writer.write(picture, frame.decoded)
                if GRID in writers:
                    for picture in self._grids(segment, frames, stereo):
                        writers[GRID].write(picture)
                statistics.add(
                    np.asarray(stereo.disparity)[:count],
                    np.asarray(stereo.occlusion)[:count],
                )
                progress.add(count)
            for writer in writers.values():
                writer.close()
        except BaseException:
            for writer in writers.values():
                writer.abort()
            raise
        return statistics.to_json() | {"seconds": time.monotonic() - began}

    def _grids(
        self, segment: Segment, frames: list[Frame], stereo: StereoFrames
    ) -> list[np.ndarray]:
        """Returns the splat grid of each frame."""
        depth = self.unit_depth(segment.shot, stereo)
        occlusion = np.asarray(stereo.occlusion)
        warped = np.asarray(as_integers(stereo.warped, like=frames[0].image.dtype))
        return [
            make_grid(frame.image, depth[i], occlusion[i], warped[i])
            for i, frame in enumerate(frames)
        ]

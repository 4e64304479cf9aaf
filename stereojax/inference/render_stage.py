"""Renders a film segment by segment; a finished segment is never rendered again."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stereojax import pipeline
from stereojax.cli import Progress
from stereojax.inference import debug_grid
from stereojax.inference.disparity_statistics import Statistics
from stereojax.inference.inpainted_windows import GeneratedViews
from stereojax.inference.outputs import GRID, Target
from stereojax.inference.splat_grid import GridWarper
from stereojax.inference.warp import Warped, Warper
from stereojax.ops.integers import as_float, as_integers
from stereojax.settings import InferSettings
from stereojax.shapes import Array
from stereojax.splat import Choice, choose, sharpness_for
from stereojax.stage_types import StereoFrames, VideoIndex
from stereojax.storage.atomic import read_json, write_json
from stereojax.video.reading.reader import Frame, Reader
from stereojax.video.stereo.layouts import pack
from stereojax.windows import Segment


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What rendering a film left behind."""

    files: dict[str, list[Path]]  # of each target, in the order of time
    by_shot: dict[int, Statistics]
    reused: int  # frames that were there already


@dataclasses.dataclass(frozen=True)
class Renderer:
    """Renders any run of frames of one film."""

    warper: Warper | GridWarper
    settings: InferSettings
    targets: tuple[Target, ...]
    generated: GeneratedViews | None = None  # or holes are filled as frames come

    @property
    def index(self) -> VideoIndex:
        return self.warper.index

    def film(self, segments: Sequence[Segment], folder: Path) -> Rendered:
        """Renders what of `segments` is not in `folder` yet."""
        by_shot: dict[int, Statistics] = {}
        reused = 0
        progress = Progress("render", len(self.index))
        reader = Reader(self.index)
        for segment in segments:
            done = folder / f"{segment.index:06}.json"
            content = read_json(done)
            if content is None:
                content = self._segment(segment, reader, folder, progress)
                write_json(done, content)
            else:
                reused += len(segment)
                progress.skip(len(segment))
            if self.generated is not None:
                self.generated.release(segment.stop)
            shot = by_shot.get(segment.shot, Statistics())
            by_shot[segment.shot] = shot + Statistics.from_json(content)
        progress.close()
        reader.close()
        files = {t.name: [t.segment(folder, s) for s in segments] for t in self.targets}
        return Rendered(files, by_shot, reused)

    @property
    def splat(self) -> Choice:
        """Which splat runs here, and why."""
        info = self.warper.info
        shape = (self.warper.batch_size, info.height, info.width, 3)
        return choose(shape, sharpness_for(info.width))

    def frames(
        self, segment: Segment, reader: Reader
    ) -> Iterator[tuple[list[Frame], StereoFrames, Any]]:
        """Yields (frames, their rendering, the right view as integers).

        The last rendering may be padded behind. While one is in the caller's hands the
        device is at work on the next.
        """
        waiting = None
        for warped in self.warper.read(
            segment.start, segment.stop, segment.shot, reader
        ):
            right = self._right(warped, segment.shot)
            splat = warped.splat
            stereo = StereoFrames(
                right, splat.warped, splat.occlusion, warped.disparity
            )
            whole = as_integers(right, like=warped.left.dtype)
            if waiting is not None:
                yield waiting
            waiting = warped.frames, stereo, whole
        if waiting is not None:
            yield waiting

    def _right(self, warped: Warped, shot: int) -> Array:
        if self.generated is None:
            return pipeline.fill(warped.splat, self.warper.look)
        start = warped.frames[0].index
        views = self.generated.read(start, start + len(warped.frames), shot)
        padding = np.repeat(views[-1:], len(warped.left) - len(views), axis=0)
        return as_float(np.concatenate([views, padding]))

    def grids(
        self, segment: Segment, frames: list[Frame], stereo: StereoFrames
    ) -> list[np.ndarray]:
        """The published tool's grid of each frame."""
        far, near = self.warper.span(segment.shot)
        depth = (np.asarray(stereo.disparity) - far) / max(near - far, 1e-6)
        occlusion = np.asarray(stereo.occlusion)
        warped = np.asarray(as_integers(stereo.warped, like=frames[0].image.dtype))
        return [
            debug_grid.grid(frame.image, depth[i], occlusion[i], warped[i])
            for i, frame in enumerate(frames)
        ]

    def _segment(
        self, segment: Segment, reader: Reader, folder: Path, progress: Progress
    ) -> dict[str, Any]:
        began = time.monotonic()
        statistics = Statistics()
        writers = {t.name: t.open(t.segment(folder, segment)) for t in self.targets}
        views = [w for name, w in writers.items() if name != GRID]
        try:
            for frames, stereo, right in self.frames(segment, reader):
                count = len(frames)
                for frame, view in zip(frames, np.asarray(right), strict=False):
                    packed = pack(
                        frame.image, view, self.settings.layout, self.settings.anaglyph
                    )
                    for writer, picture in zip(views, packed, strict=True):
                        writer.write(picture, frame.decoded)
                if GRID in writers:
                    for picture in self.grids(segment, frames, stereo):
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

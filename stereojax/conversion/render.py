"""Renders a film segment by segment; a finished segment is never rendered again."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from stereojax import pipeline
from stereojax.cli import Progress
from stereojax.conversion import pictures
from stereojax.conversion.depth_stage import Disparity
from stereojax.conversion.statistics import Statistics
from stereojax.conversion.targets import GRID, Target
from stereojax.conversion.work import read_json, write_json
from stereojax.settings import InferSettings
from stereojax.splat import Choice, choose, sharpness_for
from stereojax.stage_types import StereoFrames, VideoIndex
from stereojax.video.layouts import pack
from stereojax.video.prefetch import prefetch
from stereojax.video.reader import Frame, Reader
from stereojax.windows import Segment, batched

# Pixels that are on the device at once; two batches are, while one is packed.
_PIXELS = {"cpu": 500_000, "gpu": 25_000_000, "tpu": 25_000_000}


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What rendering a film left behind."""

    files: dict[str, list[Path]]  # of each target, in the order of time
    by_shot: dict[int, Statistics]
    reused: int  # frames that were there already


@dataclasses.dataclass(frozen=True)
class Renderer:
    """Renders any run of frames of one film."""

    index: VideoIndex
    disparity: Disparity
    settings: InferSettings
    targets: tuple[Target, ...]

    @property
    def look(self) -> pipeline.Look:
        return pipeline.Look.of(self.settings, self.index.info.width)

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
            shot = by_shot.get(segment.shot, Statistics())
            by_shot[segment.shot] = shot + Statistics.from_json(content)
        progress.close()
        reader.close()
        files = {t.name: [t.segment(folder, s) for s in segments] for t in self.targets}
        return Rendered(files, by_shot, reused)

    @property
    def batch_size(self) -> int:
        """Frames that are rendered together."""
        pixels = _PIXELS.get(jax.default_backend(), _PIXELS["cpu"])
        info = self.index.info
        return max(1, min(32, pixels // (info.width * info.height)))

    @property
    def splat(self) -> Choice:
        """Which splat runs here, and why."""
        info = self.index.info
        shape = (self.batch_size, info.height, info.width, 3)
        return choose(shape, sharpness_for(info.width))

    def frames(
        self, segment: Segment, reader: Reader
    ) -> Iterator[tuple[list[Frame], StereoFrames, Any]]:
        """Yields (frames, their rendering, the right view as integers).

        The last rendering may be padded behind. While one is in the caller's hands the
        device is at work on the next.
        """
        look, size = self.look, self.batch_size
        waiting = None
        frames = prefetch(reader.read(segment.start, segment.stop), max(4, size))
        for batch in batched(frames, size):
            images = [f.image for f in batch]
            # One compiled shape serves all: the last batch repeats its last frame.
            left = jnp.asarray(np.stack(images + images[-1:] * (size - len(batch))))
            start = batch[0].index
            disparity = self.disparity.read(
                start, start + len(batch), segment.shot, left, look
            )
            stereo = pipeline.render(left, disparity, look)
            right = pipeline.as_integers(stereo.right, like=left.dtype)
            if waiting is not None:
                yield waiting
            waiting = batch, stereo, right
        if waiting is not None:
            yield waiting

    def grids(
        self, segment: Segment, frames: list[Frame], stereo: StereoFrames
    ) -> list[np.ndarray]:
        """The published tool's grid of each frame."""
        far, near = self.disparity.span(segment.shot, self.look, self.index.info.width)
        depth = (np.asarray(stereo.disparity) - far) / max(near - far, 1e-6)
        occlusion = np.asarray(stereo.occlusion)
        warped = np.asarray(
            pipeline.as_integers(stereo.warped, like=frames[0].image.dtype)
        )
        return [
            pictures.grid(frame.image, depth[i], occlusion[i], warped[i])
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
                        writer.write(picture, frame.coded)
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

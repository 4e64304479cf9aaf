"""Depth of a whole film: estimated or read once, from then on read from its file."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from stereojax import pipeline
from stereojax.cli import InputError, Progress
from stereojax.depth.estimator import ResumableEstimator, StateStore
from stereojax.depth.files import sidecar
from stereojax.depth.files.depth_file import (
    DepthFile,
    join_segments,
    read_segment,
    segment_meta,
    write_segment,
)
from stereojax.depth.files.from_file import open_depth
from stereojax.depth.normalize import RangeStatistics, shot_range
from stereojax.depth.steady import (
    apply_corrections,
    estimate_changes,
    steady_corrections,
)
from stereojax.inference.choose_depth import DepthChoice
from stereojax.inference.depth_resume import ShotStateStore
from stereojax.inference.index_stage import Span
from stereojax.shapes import Array, Float
from stereojax.stage_types import VideoIndex
from stereojax.storage.atomic import partial_path
from stereojax.storage.work_folder import WorkFolder, key_of
from stereojax.video.reading.prefetch import prefetch
from stereojax.video.reading.reader import Reader
from stereojax.windows import Segment

_AHEAD = 8  # frames decoded while the model is at work
PERCENTILES = (0.0, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 100.0)


@dataclasses.dataclass(frozen=True)
class Disparity:
    """Disparity of any frames of a film, from its depth file."""

    file: DepthFile
    ranges: tuple[tuple[float, float], ...]  # (far, near) of each shot
    offset: int = 0  # of the first frame, where the file holds a longer film
    steadying: np.ndarray | None = None  # (t, 2): scale and shift of each frame

    @classmethod
    def of(
        cls,
        file: DepthFile,
        index: VideoIndex,
        percents: tuple[float, float],
        offset: int = 0,
        *,
        steady: float = 0.0,
    ) -> "Disparity":
        """Each shot ranges between two percentiles of its own depth.

        `steady`: frames over which depth that was estimated frame by frame keeps its
        scale; other depth is left alone. 0 = off.
        """
        found = cls(file, (), offset)
        if steady > 0 and file.units == "relative" and file.per_frame_scale:
            parts = [
                steady_corrections(
                    estimate_changes(found.depth(shot.start, shot.stop)), steady
                )
                for shot in index.shots
            ]
            found = cls(file, (), offset, np.concatenate(parts))
        low, high = percents
        ranges = tuple(
            shot_range(found.depth(shot.start, shot.stop), low=low, high=high)
            for shot in index.shots
        )
        return dataclasses.replace(found, ranges=ranges)

    def depth(self, start: int, stop: int) -> Iterator[Float[np.ndarray, "hd wd"]]:
        """Depth of frames `start` to `stop - 1`, of one scale through a shot."""
        frames = self.file.read(start + self.offset, stop + self.offset)
        if self.steadying is None:
            yield from frames
            return
        yield from apply_corrections(frames, self.steadying[start:stop])

    def read(
        self, start: int, stop: int, shot: int, left: Array, look: pipeline.Look
    ) -> Float[Array, "t h w"]:
        """Pixels at the width of `left`; the last frame repeats up to its length."""
        frames = list(self.depth(start, stop))
        frames += frames[-1:] * (len(left) - len(frames))
        depth = jnp.asarray(np.stack(frames))
        if self.file.units == "pixels":
            return depth
        far_near = jnp.asarray(self.ranges[shot], jnp.float32)
        return pipeline.disparity_of(depth, far_near, look, left)

    def span(self, shot: int, look: pipeline.Look, width: int) -> tuple[float, float]:
        """Disparity in pixels of what counts as far and as near in a shot."""
        if self.file.units == "pixels":
            return self.ranges[shot]
        whole = look.divergence / 100 * width
        return -look.convergence * whole, (1 - look.convergence) * whole


@dataclasses.dataclass(frozen=True)
class FilmDepth:
    """The depth of what is converted."""

    file: DepthFile
    offset: int  # the file's number of the first frame
    reused: int  # frames of it that were there already


def depth_of_film(
    span: Span, segments: Sequence[Segment], choice: DepthChoice, work: WorkFolder
) -> FilmDepth:
    """Finds the depth file, or makes it from a model or from another kind of file."""
    index = span.index
    given = None
    if choice.path is not None:
        given = open_depth(
            choice.path,
            width=index.info.width,
            height=index.info.height,
            frames=span.film_frames,
            units=choice.units,
        )
        if isinstance(given, DepthFile):
            return FilmDepth(given, span.offset, 0)
    plan = [(s.start, s.stop) for s in segments]
    first_and_last = index.pts[[0, -1]].tolist()
    key = key_of(index.source_hash, choice.identity, plan, first_and_last)
    folder = work.stage("depth", key)
    joined = folder / "depth.mkv"
    try:
        return FilmDepth(DepthFile.open(joined), 0, len(index))
    except InputError:
        pass  # not there yet
    reader = Reader(index)
    if given is not None:

        def estimate(start: int, stop: int) -> Iterator[np.ndarray]:
            return given.read(start + span.offset, stop + span.offset)

        per_frame, resume = True, None
    else:

        def images(start: int, stop: int) -> Iterator[np.ndarray]:
            frames = prefetch(reader.read(start, stop), _AHEAD)
            return (frame.image for frame in frames)

        def estimate(start: int, stop: int) -> Iterator[np.ndarray]:
            return choice.estimator.estimate(images(start, stop))

        def resume(start: int, stop: int, store: StateStore) -> Iterator[np.ndarray]:
            return choice.estimator.resume(
                lambda first: images(start + first, stop), store
            )

        per_frame = choice.estimator.per_frame
        if not isinstance(choice.estimator, ResumableEstimator):
            resume = None
    paths, reused = estimate_film(
        index, estimate, per_frame, segments, folder, resume=resume
    )
    reader.close()
    per_frame_scale = given is None and choice.estimator.per_frame_scale
    choice.forget()
    units = given.units if given is not None else "relative"
    file = join_film(
        index,
        segments,
        paths,
        joined,
        units=units,
        model=choice.name,
        per_frame_scale=per_frame_scale,
    )
    for path in paths:
        path.unlink()
        sidecar.path_of(path).unlink()
    return FilmDepth(file, 0, reused)


def publish(file: DepthFile, output: Path) -> dict[Path, Path]:
    """Copies a depth file and its sidecar beside `output`.

    Returns:
      From each file's name to where it lies until it gets that name.
    """
    names = {
        sidecar.path_of(output): sidecar.path_of(file.path),
        output: file.path,
    }
    parts = {}
    for target, source in names.items():
        parts[target] = partial_path(target)
        shutil.copyfile(source, parts[target])
    return parts


def estimate_film(
    index: VideoIndex,
    estimate: Callable[[int, int], Iterator[np.ndarray]],
    per_frame: bool,
    segments: Sequence[Segment],
    folder: Path,
    *,
    resume: Callable[[int, int, StateStore], Iterator[np.ndarray]] | None = None,
) -> tuple[list[Path], int]:
    """Makes what of `segments` is not in `folder` yet.

    Args:
      estimate: gives the depth of frames start to stop - 1 of one shot.
      per_frame: whether `estimate` gives the same for a part of a shot; if not, it is
        asked for whole shots.
      resume: the same for a whole shot, without the frames that were done already.

    Returns:
      The segments' files, and how many frames were there already.
    """
    paths = [folder / f"{s.index:06}.mkv" for s in segments]
    whole = [segment_meta(p) is not None for p in paths]
    reused = sum(len(s) for s, w in zip(segments, whole, strict=True) if w)
    progress = Progress("depth", len(index))
    progress.skip(reused)

    def make(run: list[int], first: int, depth: Iterator[np.ndarray]) -> Iterator[int]:
        """Writes segments of a shot, of depth that begins with frame `first`."""
        for i in run:
            count = segments[i].stop - max(first, segments[i].start)
            part = [next(depth) for _ in range(count)]
            if not whole[i]:
                write_segment(paths[i], part, _times(index, segments[i]))
                progress.add(len(part))
            yield segments[i].stop

    for shot in index.shots:
        mine = [i for i, s in enumerate(segments) if s.shot == shot.index]
        missing = [i for i in mine if not whole[i]]
        if not missing:
            continue
        if per_frame:
            for i in missing:
                start, stop = segments[i].start, segments[i].stop
                list(make([i], start, estimate(start, stop)))
        elif resume is None:
            list(make(mine, shot.start, estimate(shot.start, shot.stop)))
        else:
            written = segments[missing[0]].start - shot.start
            store = ShotStateStore(folder / f"shot{shot.index:06}", written)
            first = shot.start + store.done
            left = [i for i in mine if segments[i].stop > first]
            depth = resume(shot.start, shot.stop, store)
            for stop in make(left, first, depth):
                store.written = max(store.written, stop - shot.start)
            store.clear()
    progress.close()
    return paths, reused


def join_film(
    index: VideoIndex,
    segments: Sequence[Segment],
    paths: Sequence[Path],
    output: Path,
    *,
    units: str,
    model: str,
    per_frame_scale: bool,
) -> DepthFile:
    """The film's one depth file, with each shot's percentiles in its sidecar."""
    shots: list[dict[str, Any]] = []
    for shot in index.shots:
        statistics = RangeStatistics()
        for segment, path in zip(segments, paths, strict=True):
            if segment.shot == shot.index:
                for frame in read_segment(path):
                    statistics.add(frame)
        values = statistics.percentiles(PERCENTILES)
        percentiles = {f"{p:g}": v for p, v in zip(PERCENTILES, values, strict=True)}
        shots.append(
            {"start": shot.start, "stop": shot.stop, "percentiles": percentiles}
        )
    return join_segments(
        paths,
        output,
        units=units,
        model=model,
        per_frame_scale=per_frame_scale,
        source_hash=index.source_hash,
        video_width=index.info.width,
        video_height=index.info.height,
        shots=shots,
    )


def _times(index: VideoIndex, segment: Segment) -> list[float]:
    ticks = index.pts[segment.start : segment.stop] - index.pts[0]
    return [float(t) * float(index.info.time_base) for t in ticks]

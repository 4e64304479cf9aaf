"""Makes the depth file of a film: estimated by a model, or read from another file."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stereojax.cli import InputError, Progress
from stereojax.depth.estimator import Estimator, ResumableEstimator, StateStore
from stereojax.depth.files import sidecar
from stereojax.depth.files.depth_file import (
    DepthFile,
    join_segments,
    read_segment,
    segment_meta,
    write_segment,
)
from stereojax.depth.files.from_file import ForeignDepth, open_depth
from stereojax.depth.normalize import RangeStatistics
from stereojax.inference.choose_depth import DepthChoice
from stereojax.inference.depth_resume import ShotStateStore
from stereojax.inference.index_stage import FilmSpan
from stereojax.stage_types import VideoIndex
from stereojax.storage.atomic import partial_path
from stereojax.storage.work_folder import WorkFolder, key_of
from stereojax.video.reading.prefetch import prefetch
from stereojax.video.reading.reader import Reader
from stereojax.windows import Segment

_AHEAD = 8  # frames decoded while the model works
PERCENTILES = (0.0, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 100.0)


@dataclasses.dataclass(frozen=True)
class DepthResult:
    """The depth file of a film."""

    file: DepthFile
    offset: int  # the file's number of the film's first frame
    reused: int  # frames whose depth an earlier run had estimated


@dataclasses.dataclass(frozen=True)
class DepthFrames:
    """Yields the depth of any frames of one shot."""

    estimate: Callable[[int, int], Iterator[np.ndarray]]  # frames start to stop - 1
    per_frame: bool  # `estimate` may be called for a part of a shot
    # As `estimate`, of a whole shot, without the frames before the stored state.
    resume: Callable[[int, int, StateStore], Iterator[np.ndarray]] | None = None

    @classmethod
    def from_model(cls, estimator: Estimator, reader: Reader) -> "DepthFrames":
        def images(start: int, stop: int) -> Iterator[np.ndarray]:
            frames = prefetch(reader.read(start, stop), _AHEAD)
            return (frame.image for frame in frames)

        def estimate(start: int, stop: int) -> Iterator[np.ndarray]:
            return estimator.estimate(images(start, stop))

        def resume(start: int, stop: int, store: StateStore) -> Iterator[np.ndarray]:
            return estimator.resume(lambda first: images(start + first, stop), store)

        can_resume = isinstance(estimator, ResumableEstimator)
        return cls(estimate, estimator.per_frame, resume if can_resume else None)

    @classmethod
    def from_file(cls, file: ForeignDepth, offset: int) -> "DepthFrames":
        return cls(lambda start, stop: file.read(start + offset, stop + offset), True)


def depth_of_film(
    span: FilmSpan, segments: Sequence[Segment], choice: DepthChoice, work: WorkFolder
) -> DepthResult:
    """Returns the film's depth file; makes it if the work folder has none."""
    index = span.index
    foreign = None
    if choice.path is not None:
        foreign = open_depth(
            choice.path,
            width=index.info.width,
            height=index.info.height,
            frames=span.film_frames,
            units=choice.units,
        )
        if isinstance(foreign, DepthFile):
            return DepthResult(foreign, span.offset, 0)

    plan = [(s.start, s.stop) for s in segments]
    first_and_last = index.pts[[0, -1]].tolist()
    key = key_of(index.source_hash, choice.identity, plan, first_and_last)
    folder = work.stage("depth", key)
    joined = folder / "depth.mkv"
    try:
        return DepthResult(DepthFile.open(joined), 0, len(index))
    except InputError:
        pass  # absent or damaged: it is made below

    reader = Reader(index)
    if foreign is not None:
        source = DepthFrames.from_file(foreign, span.offset)
    else:
        source = DepthFrames.from_model(choice.estimator, reader)
    paths, reused = estimate_film(index, source, segments, folder)
    reader.close()
    per_frame_scale = foreign is None and choice.estimator.per_frame_scale
    choice.unload()
    file = join_film(
        index,
        segments,
        paths,
        joined,
        units="relative" if foreign is None else foreign.units,
        model=choice.name,
        per_frame_scale=per_frame_scale,
    )
    for path in paths:
        path.unlink()
        sidecar.path_of(path).unlink()
    return DepthResult(file, 0, reused)


def copy_to_output(file: DepthFile, output: Path) -> dict[Path, Path]:
    """Copies a depth file and its sidecar to the folder of `output`.

    Returns:
      The partial file of each final path.
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
    index: VideoIndex, source: DepthFrames, segments: Sequence[Segment], folder: Path
) -> tuple[list[Path], int]:
    """Writes the depth of those of `segments` that `folder` does not hold yet.

    Returns:
      The segments' files, and the number of frames that were complete already.
    """
    paths = [folder / f"{s.index:06}.mkv" for s in segments]
    complete = [segment_meta(p) is not None for p in paths]
    reused = sum(len(s) for s, c in zip(segments, complete, strict=True) if c)
    progress = Progress("depth", len(index))
    progress.skip(reused)

    def write(
        numbers: list[int], first: int, depth: Iterator[np.ndarray]
    ) -> Iterator[int]:
        """Writes segments of a shot from depth that begins with frame `first`."""
        for i in numbers:
            count = segments[i].stop - max(first, segments[i].start)
            part = [next(depth) for _ in range(count)]
            if not complete[i]:
                write_segment(paths[i], part, _times(index, segments[i]))
                progress.add(len(part))
            yield segments[i].stop

    for shot in index.shots:
        numbers = [i for i, s in enumerate(segments) if s.shot == shot.index]
        missing = [i for i in numbers if not complete[i]]
        if not missing:
            continue
        if source.per_frame:
            for i in missing:
                start, stop = segments[i].start, segments[i].stop
                list(write([i], start, source.estimate(start, stop)))
        elif source.resume is None:
            list(write(numbers, shot.start, source.estimate(shot.start, shot.stop)))
        else:
            # The estimate continues from the newest state whose depth is all on disk.
            written = segments[missing[0]].start - shot.start
            store = ShotStateStore(folder / f"shot{shot.index:06}", written)
            first = shot.start + store.frames_done
            remaining = [i for i in numbers if segments[i].stop > first]
            depth = source.resume(shot.start, shot.stop, store)
            for stop in write(remaining, first, depth):
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
    """Joins the segments into one depth file, with each shot's percentiles."""
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
    """Returns the time of each frame, in seconds from the film's first frame."""
    ticks = index.pts[segment.start : segment.stop] - index.pts[0]
    return [float(t) * float(index.info.time_base) for t in ticks]

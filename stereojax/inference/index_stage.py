"""The first stage: finds the frame times and the cuts of a film or of a preview."""

import dataclasses
import math
from pathlib import Path

import numpy as np

from stereojax.cli import Progress
from stereojax.settings.run_options import RunOptions
from stereojax.stage_types import Shot, VideoIndex, VideoInfo
from stereojax.storage.work_folder import WorkFolder, key_of
from stereojax.video.reading.index import index_video
from stereojax.video.reading.index_file import load_index, save_index


@dataclasses.dataclass(frozen=True)
class FilmSpan:
    """The part of a film that is converted: all of it, or a preview."""

    index: VideoIndex  # of the converted frames
    offset: int = 0  # the first frame's number in the film, if that is known
    film_frames: int | None = None  # of the whole film, if they were counted


def index_film(
    path: Path,
    info: VideoInfo,
    source_hash: str,
    options: RunOptions,
    work: WorkFolder,
) -> FilmSpan:
    """Finds every frame and every cut; keeps the result in the work folder.

    For a preview, only its part of the film is indexed. If `depth_path` is given, the
    whole film is indexed, because depth files number frames from the film's first.
    """
    span = options.preview.span(info.duration) if options.preview else None
    index_all = span is None or options.depth_path is not None
    key = key_of(source_hash, None if index_all else span, options.allow_truncated)
    saved = work.stage("index", key) / "index.json"
    try:
        index = load_index(saved, path)
    except (OSError, ValueError):
        start, seconds = (None, None) if index_all else span
        expected = None if index_all else math.ceil(seconds * info.frame_rate)
        if index_all and info.duration:
            expected = round(info.duration * info.frame_rate)
        progress = Progress("index", expected)
        index = index_video(
            path,
            start_s=start,
            duration_s=seconds,
            allow_truncated=options.allow_truncated,
            source_hash=source_hash,
            progress=progress.add,
        )
        progress.close()
        save_index(index, saved)
    if span is None:
        return FilmSpan(index, 0, len(index))
    return select_seconds(index, *span) if index_all else FilmSpan(index)


def select_seconds(index: VideoIndex, start: float, seconds: float) -> FilmSpan:
    """Selects the frames shown in a span of time; at least one.

    Args:
      start, seconds: counted from the first frame.
    """
    times = (index.pts - index.pts[0]) * float(index.info.time_base)
    half = 0.5 * float(index.info.time_base)
    first = min(int(np.searchsorted(times, start - half)), len(index) - 1)
    stop = max(first + 1, int(np.searchsorted(times, start + seconds - half)))
    inside = [
        (max(s.start, first) - first, min(s.stop, stop) - first)
        for s in index.shots
        if s.start < stop and s.stop > first
    ]
    last = index.last_duration
    if stop < len(index):
        last = int(index.pts[stop] - index.pts[stop - 1])
    part = dataclasses.replace(
        index,
        pts=index.pts[first:stop],
        last_duration=last,
        shots=tuple(Shot(i, a, b) for i, (a, b) in enumerate(inside)),
    )
    return FilmSpan(part, first, len(index))

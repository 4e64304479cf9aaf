"""The first stage: every frame's time, and the cuts; of a preview only its frames."""

import dataclasses
import math
from pathlib import Path

import numpy as np

from stereojax.cli import Progress
from stereojax.settings.run_options import Options
from stereojax.stage_types import Shot, VideoIndex, VideoInfo
from stereojax.storage.work_folder import WorkFolder, key_of
from stereojax.video.reading.index import index_video
from stereojax.video.reading.index_file import load_index, save_index


@dataclasses.dataclass(frozen=True)
class Span:
    """What is converted of a film."""

    index: VideoIndex  # of the frames that are converted
    offset: int = 0  # the film's number of the first, where that is known
    film_frames: int | None = None  # of the whole film, where they were counted


def index_film(
    path: Path,
    info: VideoInfo,
    source_hash: str,
    options: Options,
    work: WorkFolder,
) -> Span:
    """Finds every frame and every cut; what it found is kept in the work folder.

    A preview looks at its own frames alone, unless the depth of the whole film is
    given: that is counted in the film's frames.
    """
    span = options.preview.span(info.duration) if options.preview else None
    whole = span is None or options.depth_path is not None
    key = key_of(source_hash, None if whole else span, options.allow_truncated)
    saved = work.stage("index", key) / "index.json"
    try:
        index = load_index(saved, path)
    except (OSError, ValueError):
        start, seconds = (None, None) if whole else span
        expected = None if whole else math.ceil(seconds * info.frame_rate)
        if whole and info.duration:
            expected = round(info.duration * info.frame_rate)
        progress = Progress("index", expected)
        index = index_video(
            path,
            start_s=start,
            duration_s=seconds,
            allow_truncated=options.allow_truncated,
            progress=progress.add,
        )
        progress.close()
        save_index(index, saved)
    if span is None:
        return Span(index, 0, len(index))
    return cut(index, *span) if whole else Span(index)


def cut(index: VideoIndex, start: float, seconds: float) -> Span:
    """The frames of `index` that are shown in some seconds; at least one.

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
    return Span(part, first, len(index))

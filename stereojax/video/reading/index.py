"""One pass over a film: the time of every frame, the cuts, where decoding can start."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from absl import logging

from stereojax import cli
from stereojax.stage_types import VideoIndex, VideoInfo
from stereojax.storage.hashing import Digest
from stereojax.video.color.color import assumed, has_matrix, is_tagged
from stereojax.video.reading.container import clock
from stereojax.video.reading.probe import probe, start_tick
from stereojax.video.reading.scan import Scan, scan


def index_video(
    path: Path,
    *,
    start_s: float | None = None,
    duration_s: float | None = None,
    allow_truncated: bool = False,
    progress: Callable[[int], None] | None = None,
) -> VideoIndex:
    """Decodes the film, or a range of it, once; no frame is kept.

    `start_s` counts from the first frame of the film; a range has at least one frame.
    `progress` is called with 1 after each frame.

    Raises `cli.InputError` where there is nothing to index, and `cli.RunError` where
    picture is missing (cut short, or corrupt) unless `allow_truncated`.
    """
    info = probe(Path(path))
    first, stop = _range(info, start_s, duration_s)
    with Digest(info.path) as digest:
        found = scan(info, first, stop, progress)
        if not found.pts:
            raise cli.InputError(
                f"{info.path}: no frame from {clock(start_s or 0)} on;"
                f" the film is {clock(info.duration)} long"
            )
        if found.incomplete:
            found.drop_broken_tail()
            _report_missing(found, allow_truncated)
        _note_oddities(found)
        return VideoIndex(
            info=info,
            source_hash=digest.result(),
            pts=np.array(found.pts, np.int64),
            last_duration=found.last_duration(),
            keyframes=np.array([] if found.log.jumped else found.keyframes, np.int64),
            shots=found.cuts.shots(len(found.pts)),
            damaged=found.incomplete,
        )


def _range(
    info: VideoInfo, start_s: float | None, duration_s: float | None
) -> tuple[int | None, int | None]:
    """Ticks of the first frame wanted and of the first one not; None: no bound."""
    first = stop = None
    if start_s:
        first = start_tick(info.path) + round(Fraction(start_s) / info.time_base)
    if duration_s is not None:
        begin = start_tick(info.path) if first is None else first
        stop = begin + round(Fraction(duration_s) / info.time_base)
    return first, stop


def _report_missing(found: Scan, allow_truncated: bool) -> None:
    whole = found.frames_before_loss()
    text = (
        f"{found.info.path}: picture is missing after {found.clock(whole - 1)}:"
        f" the file is cut short or corrupt there ({len(found.pts)} frames can be"
        f" decoded; its header says {clock(found.info.duration)})"
    )
    if not allow_truncated:
        raise cli.RunError(f"{text}; --allow_truncated converts what is there")
    logging.warning("%s; converting what is there", text)


def _note_oddities(found: Scan) -> None:
    """Says what a user may want to know before hours of work."""
    info, notes = found.info, []
    if found.damaged and not found.incomplete:
        notes.append(
            f"{len(found.damaged)} frames are damaged, the first at"
            f" {found.clock(found.damaged[0])}; they are used as decoded"
        )
    if found.interlaced > len(found.pts) / 2:
        notes.append("the picture is interlaced; deinterlace it for a clean result")
    if has_matrix(info.pixel_format) and not is_tagged(info.color):
        name = {1: "BT.709", 6: "BT.601"}[assumed(info.color, info.height).matrix]
        notes.append(f"no color matrix is tagged; read as {name}, by its height")
    for note in notes:
        logging.warning("%s: %s", info.path, note)

"""Builds the frame index of a video: timestamps, shots and keyframes."""

import contextlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from absl import logging

from stereojax import cli
from stereojax.stage_types import VideoIndex, VideoInfo
from stereojax.storage.hashing import Digest
from stereojax.video.color.rgb import has_matrix, is_tagged, with_default_tags
from stereojax.video.reading.container import format_time
from stereojax.video.reading.probe import probe, start_tick
from stereojax.video.reading.scan import Scan, scan


def index_video(
    path: Path,
    *,
    start_s: float | None = None,
    duration_s: float | None = None,
    allow_truncated: bool = False,
    source_hash: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> VideoIndex:
    """Decodes a video, or a time range of it, once and returns its index.

    Frames are not stored.

    Args:
      start_s: start of the range, in seconds after the first frame.
      duration_s: length of the range, in seconds; it has at least one frame.
      source_hash: the file's `content_hash`, if known; None hashes the file during the
        decoding.
      progress: called with 1 after each frame.

    Raises:
      cli.InputError: the file has no video, or no frame in the range.
      cli.RunError: frames are missing (the file is truncated or corrupt) and
        `allow_truncated` is false.
    """
    info = probe(Path(path))
    first, stop = _range(info, start_s, duration_s)
    no_digest = contextlib.nullcontext()
    with Digest(info.path) if source_hash is None else no_digest as digest:
        result = scan(info, first, stop, progress)
        if not result.pts:
            raise cli.InputError(
                f"{info.path}: no frame from {format_time(start_s or 0)} on;"
                f" the video is {format_time(info.duration)} long"
            )
        if result.incomplete:
            result.drop_damaged_tail()
            _report_missing(result, allow_truncated)
        _warn_unusual(result)
        # After a clock jump a timestamp may occur twice, so it cannot be a seek target.
        keyframes = [] if result.log.clock_jumped else result.keyframes
        return VideoIndex(
            info=info,
            source_hash=source_hash or digest.result(),
            pts=np.array(result.pts, np.int64),
            last_duration=result.last_duration(),
            keyframes=np.array(keyframes, np.int64),
            shots=result.cuts.shots(len(result.pts)),
            damaged=result.incomplete,
        )


def _range(
    info: VideoInfo, start_s: float | None, duration_s: float | None
) -> tuple[int | None, int | None]:
    """Returns the range as (first tick, stop tick); None where it has no bound."""
    first = stop = None
    if start_s:
        first = start_tick(info.path) + round(Fraction(start_s) / info.time_base)
    if duration_s is not None:
        begin = start_tick(info.path) if first is None else first
        stop = begin + round(Fraction(duration_s) / info.time_base)
    return first, stop


def _report_missing(result: Scan, allow_truncated: bool) -> None:
    intact = result.frames_before_loss()
    text = (
        f"{result.info.path}: frames are missing after"
        f" {result.formatted_time(intact - 1)}: the file is truncated or corrupt there"
        f" ({len(result.pts)} frames can be decoded; its header says"
        f" {format_time(result.info.duration)})"
    )
    if not allow_truncated:
        raise cli.RunError(f"{text}; --allow_truncated converts the decodable frames")
    logging.warning("%s; converting the decodable frames", text)


def _warn_unusual(result: Scan) -> None:
    """Logs properties that a user should know before hours of work."""
    info, notes = result.info, []
    if result.damaged and not result.incomplete:
        notes.append(
            f"{len(result.damaged)} frames are damaged, the first at"
            f" {result.formatted_time(result.damaged[0])}; they are used as decoded"
        )
    if result.interlaced > len(result.pts) / 2:
        notes.append("the video is interlaced; deinterlace it for a clean result")
    if has_matrix(info.pixel_format) and not is_tagged(info.color):
        matrix = with_default_tags(info.color, info.height).matrix
        name = {1: "BT.709", 6: "BT.601"}[matrix]
        notes.append(f"no color matrix is tagged; read as {name}, by its height")
    for note in notes:
        logging.warning("%s: %s", info.path, note)

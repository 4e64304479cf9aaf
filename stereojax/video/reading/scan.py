"""Decodes a video once and collects timestamps, keyframes, cuts and damage."""

from collections.abc import Callable

import numpy as np

from stereojax import cli
from stereojax.stage_types import VideoInfo
from stereojax.video.reading.container import format_time
from stereojax.video.reading.damage import has_missing_frames, is_file_damaged
from stereojax.video.reading.decoding import DecodeLog, TimedFrame, decode_from
from stereojax.video.reading.shots import CutDetector

# Seconds before a range at which to look for a keyframe, in the order tried.
_LEAD_SECONDS = (0, 5, 60)


class Scan:
    """Result of a pass over the frames from tick `first` to before tick `stop`."""

    def __init__(self, info: VideoInfo, first: int | None, stop: int | None):
        self.info = info
        self.log = DecodeLog()
        self.pts: list[int] = []
        self.keyframes: list[int] = []
        self.damaged: list[int] = []  # indices of frames with concealed errors
        self.after: int | None = None  # time of the first frame after the range
        self.incomplete = False  # frames are missing
        self.interlaced = 0  # number of interlaced frames
        self.cuts = CutDetector(info.frame_rate)
        self._first, self._stop = first, stop
        self._format: tuple | None = None
        self._duration = 0

    def add(self, timed: TimedFrame) -> bool:
        """Adds a frame; returns False at the first frame after the range."""
        time, exact, frame = timed
        if frame.key_frame and exact:
            self.keyframes.append(time)
        if self._first is not None and time < self._first:
            return True
        if self._stop is not None and self.pts and time >= self._stop:
            self.after = time
            return False
        frame_format = (f"{frame.width}x{frame.height}", frame.format.name)
        if self._format not in (None, frame_format):
            raise cli.InputError(
                f"{self.info.path}: the picture format changes from"
                f" {' '.join(self._format)} to {' '.join(frame_format)} after frame"
                f" {len(self.pts)}; split the video there"
            )
        self._format = frame_format
        if frame.is_corrupt:
            self.damaged.append(len(self.pts))
        self.interlaced += frame.interlaced_frame
        self._duration = frame.duration or 0
        self.pts.append(time)
        self.cuts.add(frame)
        return True

    def is_too_late(self, timed: TimedFrame) -> bool:
        """Returns whether the first frame after a seek is past the range's start."""
        return not self.keyframes and not self.pts and timed.time > self._first

    def drop_damaged_tail(self) -> None:
        """Removes the last frames if the decoder concealed errors in them."""
        while len(self.pts) > 1 and self.damaged[-1:] == [len(self.pts) - 1]:
            self.damaged.pop()
            self.pts.pop()

    def frames_before_loss(self) -> int:
        """Returns the number of frames before the first sign of missing data."""
        losses = [len(self.pts), *self.damaged[:1]]
        if self.log.first_loss is not None:
            losses.append(self.log.first_loss)
        # A demuxer may skip damaged data without an error: a gap in the times shows it.
        steps = np.diff(self.pts)
        losses += (np.flatnonzero(steps > 2.5 * np.median(steps))[:1] + 1).tolist()
        return max(1, min(losses))

    def last_duration(self) -> int:
        """Returns the display time of the last frame, in ticks."""
        if self.after is not None:
            return self.after - self.pts[-1]
        average = round(1 / (self.info.frame_rate * self.info.time_base))
        return max(1, self._duration or average)

    def formatted_time(self, frame: int) -> str:
        """Returns the time of a frame since the first one, for messages."""
        return format_time(float((self.pts[frame] - self.pts[0]) * self.info.time_base))


def scan(
    info: VideoInfo,
    first: int | None,
    stop: int | None,
    progress: Callable[[int], None] | None,
) -> Scan:
    """Scans all frames, or those from tick `first` to before tick `stop`."""
    if first is not None or stop is not None:
        return _scan_range(info, first, stop, progress)
    damaged = is_file_damaged(info.path)
    result = _scan_all(info, progress, slice_threads=damaged)
    # Fewer frames than packets: decoding with frame threads may have hidden an error.
    if not damaged and result.log.frames < result.log.packets - result.log.discarded:
        result = _scan_all(info, None, slice_threads=True)
    result.incomplete = has_missing_frames(result.log, file_damaged=damaged)
    return result


def _scan_all(
    info: VideoInfo, progress: Callable[[int], None] | None, *, slice_threads: bool
) -> Scan:
    result = Scan(info, None, None)
    for timed in decode_from(info, None, result.log, slice_threads=slice_threads):
        result.add(timed)
        if progress:
            progress(1)
    return result


def _scan_range(
    info: VideoInfo,
    first: int | None,
    stop: int | None,
    progress: Callable[[int], None] | None,
) -> Scan:
    lead_times = _LEAD_SECONDS if first is not None else ()
    seeks = [first - round(s / info.time_base) for s in lead_times]
    # A seek may land after the range's start; then try an earlier one.
    for seek_to in [*seeks, None]:
        result = Scan(info, first, stop)
        frames = decode_from(info, seek_to, result.log, slice_threads=True)
        for timed in frames:
            if seek_to is not None and result.is_too_late(timed):
                break
            if not result.add(timed):
                break
            if progress and result.pts:
                progress(1)
        frames.close()
        if result.pts:
            break
    damaged = result.after is None and is_file_damaged(info.path)
    result.incomplete = has_missing_frames(result.log, file_damaged=damaged)
    return result

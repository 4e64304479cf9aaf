"""One pass over a film: the time of every frame, the cuts, where decoding can start."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from absl import logging

from stereojax import cli
from stereojax.stage_types import VideoIndex, VideoInfo
from stereojax.video.container import clock
from stereojax.video.damage import is_broken, is_incomplete
from stereojax.video.decoding import DecodeLog, Placed, decode_from
from stereojax.video.digest import Digest
from stereojax.video.probe import probe, start_tick
from stereojax.video.shots import CutFinder

# How many seconds before a range to look for a frame that decoding can start at.
_RUN_UPS = (0, 5, 60)


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
        scan = _scan(info, first, stop, progress)
        if not scan.pts:
            raise cli.InputError(
                f"{info.path}: no frame from {clock(start_s or 0)} on;"
                f" the film is {clock(info.duration)} long"
            )
        if scan.incomplete:
            scan.drop_broken_tail()
            _report_missing(scan, allow_truncated)
        elif scan.damaged:
            logging.warning(
                "%s: %d frames are damaged, the first at %s; used as decoded",
                *(info.path, len(scan.damaged), scan.clock(scan.damaged[0])),
            )
        return VideoIndex(
            info=info,
            source_hash=digest.result(),
            pts=np.array(scan.pts, np.int64),
            last_duration=scan.last_duration(),
            keyframes=np.array([] if scan.log.jumped else scan.keyframes, np.int64),
            shots=scan.cuts.shots(len(scan.pts)),
            damaged=scan.incomplete,
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


class _Scan:
    """What a pass over the frames from tick `first` to before tick `stop` collects."""

    def __init__(self, info: VideoInfo, first: int | None, stop: int | None):
        self.info = info
        self.log = DecodeLog()
        self.pts: list[int] = []
        self.keyframes: list[int] = []
        self.damaged: list[int] = []  # frames that the decoder had to patch
        self.after: int | None = None  # time of the frame that follows the range
        self.incomplete = False  # picture is missing
        self.cuts = CutFinder(info.frame_rate)
        self._first, self._stop = first, stop
        self._kind: tuple | None = None
        self._duration = 0

    def add(self, placed: Placed) -> bool:
        """False after the last frame of the range."""
        time, exact, frame = placed
        if frame.key_frame and exact:
            self.keyframes.append(time)
        if self._first is not None and time < self._first:
            return True
        if self._stop is not None and self.pts and time >= self._stop:
            self.after = time
            return False
        kind = (f"{frame.width}x{frame.height}", frame.format.name)
        if self._kind not in (None, kind):
            raise cli.InputError(
                f"{self.info.path}: the picture changes from {' '.join(self._kind)} to"
                f" {' '.join(kind)} after frame {len(self.pts)}; split the film there"
            )
        self._kind = kind
        if frame.is_corrupt:
            self.damaged.append(len(self.pts))
        self._duration = frame.duration or 0
        self.pts.append(time)
        self.cuts.add(frame)
        return True

    def too_late(self, placed: Placed) -> bool:
        """Whether a seek went past the first frame of the range."""
        return not self.keyframes and placed.time > self._first

    def drop_broken_tail(self) -> None:
        """Leaves out the frames patched up where the file ends too early."""
        while len(self.pts) > 1 and self.damaged[-1:] == [len(self.pts) - 1]:
            self.damaged.pop()
            self.after = self.pts.pop()

    def frames_before_loss(self) -> int:
        losses = [len(self.pts), *self.damaged[:1]]
        if self.log.first_loss is not None:
            losses.append(self.log.first_loss)
        # What a container leaves out in silence is seen as a gap.
        steps = np.diff(self.pts)
        losses += (np.flatnonzero(steps > 2.5 * np.median(steps))[:1] + 1).tolist()
        return max(1, min(losses))

    def last_duration(self) -> int:
        if self.after is not None:
            return self.after - self.pts[-1]
        average = round(1 / (self.info.frame_rate * self.info.time_base))
        return max(1, self._duration or average)

    def clock(self, frame: int) -> str:
        return clock(float((self.pts[frame] - self.pts[0]) * self.info.time_base))


def _scan(
    info: VideoInfo,
    first: int | None,
    stop: int | None,
    progress: Callable[[int], None] | None,
) -> _Scan:
    if first is not None or stop is not None:
        return _scan_range(info, first, stop, progress)
    broken = is_broken(info.path)
    for careful in (broken, True):
        scan = _Scan(info, None, None)
        for placed in decode_from(info, None, scan.log, careful=careful):
            scan.add(placed)
            if progress:
                progress(1)
        scan.incomplete = is_incomplete(scan.log, broken=broken)
        # Every packet is a frame, or an error that fast decoding may have hidden.
        if careful or scan.log.frames >= scan.log.packets - scan.log.hidden:
            break
    return scan


def _scan_range(info, first, stop, progress) -> _Scan:
    run_ups = _RUN_UPS if first is not None else ()
    seeks = [first - round(s / info.time_base) for s in run_ups]
    for seek_to in [*seeks, None]:
        scan = _Scan(info, first, stop)
        frames = decode_from(info, seek_to, scan.log, careful=True)
        for placed in frames:
            if seek_to is not None and not scan.pts and scan.too_late(placed):
                break
            if not scan.add(placed):
                break
            if progress and scan.pts:
                progress(1)
        frames.close()
        if scan.pts:
            break
    broken = scan.after is None and is_broken(info.path)
    scan.incomplete = is_incomplete(scan.log, broken=broken)
    return scan


def _report_missing(scan: _Scan, allow_truncated: bool) -> None:
    whole = scan.frames_before_loss()
    text = (
        f"{scan.info.path}: picture is missing after {scan.clock(whole - 1)}: the file"
        f" is cut short or corrupt there ({len(scan.pts)} frames can be decoded; its"
        f" header says {clock(scan.info.duration)})"
    )
    if not allow_truncated:
        raise cli.RunError(f"{text}; --allow_truncated converts what is there")
    logging.warning("%s; converting what is there", text)

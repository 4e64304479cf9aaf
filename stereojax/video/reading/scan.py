"""The pass itself: what the frames of a film, or of a range of it, add up to."""

from collections.abc import Callable

import numpy as np

from stereojax import cli
from stereojax.stage_types import VideoInfo
from stereojax.video.reading.container import clock
from stereojax.video.reading.damage import is_broken, is_incomplete
from stereojax.video.reading.decoding import DecodeLog, Placed, decode_from
from stereojax.video.reading.shots import CutFinder

# How many seconds before a range to look for a frame that decoding can start at.
_RUN_UPS = (0, 5, 60)


class Scan:
    """What a pass over the frames from tick `first` to before tick `stop` collects."""

    def __init__(self, info: VideoInfo, first: int | None, stop: int | None):
        self.info = info
        self.log = DecodeLog()
        self.pts: list[int] = []
        self.keyframes: list[int] = []
        self.damaged: list[int] = []  # frames that the decoder had to patch
        self.after: int | None = None  # time of the frame that follows the range
        self.incomplete = False  # picture is missing
        self.interlaced = 0  # frames
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
        self.interlaced += frame.interlaced_frame
        self._duration = frame.duration or 0
        self.pts.append(time)
        self.cuts.add(frame)
        return True

    def is_too_late(self, placed: Placed) -> bool:
        """Whether the first frame after a seek lies behind the start of the range."""
        return not self.keyframes and not self.pts and placed.time > self._first

    def drop_broken_tail(self) -> None:
        """Leaves out the frames patched up where the file ends too early."""
        while len(self.pts) > 1 and self.damaged[-1:] == [len(self.pts) - 1]:
            self.damaged.pop()
            self.pts.pop()

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


def scan(
    info: VideoInfo,
    first: int | None,
    stop: int | None,
    progress: Callable[[int], None] | None,
) -> Scan:
    """Decodes all frames, or those from tick `first` to before tick `stop`."""
    if first is not None or stop is not None:
        return _scan_range(info, first, stop, progress)
    broken = is_broken(info.path)
    found = _scan_all(info, progress, careful=broken)
    # Every packet is a frame, or an error that fast decoding may have hidden.
    if not broken and found.log.frames < found.log.packets - found.log.hidden:
        found = _scan_all(info, None, careful=True)
    found.incomplete = is_incomplete(found.log, broken=broken)
    return found


def _scan_all(
    info: VideoInfo, progress: Callable[[int], None] | None, *, careful: bool
) -> Scan:
    found = Scan(info, None, None)
    for placed in decode_from(info, None, found.log, careful=careful):
        found.add(placed)
        if progress:
            progress(1)
    return found


def _scan_range(
    info: VideoInfo,
    first: int | None,
    stop: int | None,
    progress: Callable[[int], None] | None,
) -> Scan:
    run_ups = _RUN_UPS if first is not None else ()
    seeks = [first - round(s / info.time_base) for s in run_ups]
    for seek_to in [*seeks, None]:
        found = Scan(info, first, stop)
        frames = decode_from(info, seek_to, found.log, careful=True)
        for placed in frames:
            if seek_to is not None and found.is_too_late(placed):
                break
            if not found.add(placed):
                break
            if progress and found.pts:
                progress(1)
        frames.close()
        if found.pts:
            break
    broken = found.after is None and is_broken(info.path)
    found.incomplete = is_incomplete(found.log, broken=broken)
    return found

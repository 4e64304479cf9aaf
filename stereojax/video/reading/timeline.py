"""Makes presentation times strictly increasing; repairs missing and wrong ones."""

from fractions import Fraction

import av

# A smaller step back is a rounding error or a duplicated frame. A larger one means that
# a second recording was appended, with timestamps that restart.
_RESTART_SECONDS = 0.5


def timestamp(frame: av.VideoFrame) -> int | None:
    """Returns the presentation time in stream ticks; AVI has only decoding times."""
    return frame.pts if frame.pts is not None else frame.dts


class Timeline:
    """Assigns each frame, in presentation order, a time above the one before.

    A time depends on earlier frames only, so decoding from a frame with `exact` gives
    the same times as decoding from the start.
    """

    def __init__(self, frame_rate: Fraction, time_base: Fraction):
        self._step = max(1, round(1 / (frame_rate * time_base)))
        self._jump = _RESTART_SECONDS / time_base
        self._last: int | None = None
        self._shift = 0
        self.exact = True  # the last frame has the file's own timestamp
        self.jumped = False  # timestamps restarted, so they are ambiguous

    def time_of(self, raw: int | None) -> int:
        """Returns the time, in ticks, of a frame with the file's timestamp `raw`."""
        if self._last is None:
            time = 0 if raw is None else raw
        elif raw is None:
            time = self._last + self._step
        else:
            if raw + self._shift < self._last - self._jump:
                self._shift = self._last + self._step - raw
                self.jumped = True
            time = max(raw + self._shift, self._last + 1)
        self.exact = time == raw and self._shift == 0
        self._last = time
        return time

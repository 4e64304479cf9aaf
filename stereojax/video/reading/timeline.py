"""Makes presentation times strictly increasing; repairs missing and wrong times."""

from fractions import Fraction

import av

# Timestamps that go back by less are a rounding error or a duplicated frame. Timestamps
# that go back by more are those of a second recording that was appended.
_RESTART_SECONDS = 0.5


def timestamp(frame: av.VideoFrame) -> int | None:
    """Returns a frame's presentation time in ticks of the stream.

    AVI has no presentation times, so the result is the decoding time there.
    """
    return frame.pts if frame.pts is not None else frame.dts


class Timeline:
    """Assigns each frame a time later than the previous frame's time.

    Takes the frames in presentation order; a time depends on earlier frames only. A
    decoder may start at any frame for which `exact` was True: the times are the same as
    when it starts at the first frame.
    """

    def __init__(self, frame_rate: Fraction, time_base: Fraction):
        self._step = max(1, round(1 / (frame_rate * time_base)))
        self._jump = _RESTART_SECONDS / time_base
        self._last: int | None = None
        self._shift = 0
        self.exact = True  # whether the latest frame kept the file's timestamp
        self.jumped = False  # whether timestamps restarted, so that they are ambiguous

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

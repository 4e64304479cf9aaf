"""Presentation times that always rise: what to do with missing and wrong ones."""

from fractions import Fraction

import av

# Falling back by less is a rounding error or a doubled frame; by more, a new recording
# was appended, whose clock starts anew.
_JUMP_SECONDS = 0.5


def timestamp(frame: av.VideoFrame) -> int | None:
    """When the frame is shown, in ticks of the stream; AVI knows only the dts."""
    return frame.pts if frame.pts is not None else frame.dts


class Timeline:
    """Gives each frame, in order of presentation, a time above the one before.

    It looks only backwards, so that reading on from any frame with `exact` gives the
    times that reading from the start gave.
    """

    def __init__(self, frame_rate: Fraction, time_base: Fraction):
        self._step = max(1, round(1 / (frame_rate * time_base)))
        self._jump = _JUMP_SECONDS / time_base
        self._last: int | None = None
        self._shift = 0
        self.exact = True  # the last frame has the very time that the file gives
        self.jumped = False  # the file's clock was set back: its times are ambiguous

    def place(self, raw: int | None) -> int:
        """The time, in ticks, of the frame to which the file gives `raw`."""
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

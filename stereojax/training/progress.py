"""Prints the step, the loss and the estimated time left, in one line."""

import sys
import time


class Progress:
    """Updates one line on a terminal; else prints a line every `interval` seconds."""

    def __init__(self, total: int, done: int, *, interval: float = 30.0):
        self._total, self._first, self._interval = total, done, interval
        self._start = time.monotonic()
        self._shown = -float("inf")
        self._terminal = sys.stderr.isatty()

    def show(self, step: int, loss: float) -> None:
        now = time.monotonic()
        last = step == self._total
        if last or now - self._shown >= (0.5 if self._terminal else self._interval):
            self._shown = now
            self._write(self._line(step, loss, now))
        if last and self._terminal:
            print(file=sys.stderr)

    def _line(self, step: int, loss: float, now: float) -> str:
        seconds = (now - self._start) / max(step - self._first, 1)
        left = round((self._total - step) * seconds)
        days, rest = divmod(left, 86400)
        clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
        return (
            f"step {step}/{self._total}, loss {loss:.4f}, {seconds:.2f} s/step, "
            f"{f'{days} d ' if days else ''}{clock} left"
        )

    def _write(self, line: str) -> None:
        end = "\r" if self._terminal else "\n"
        print(f"{line:<78}" if self._terminal else line, file=sys.stderr, end=end)
        sys.stderr.flush()

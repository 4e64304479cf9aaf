"""The command-line contract of every entry point: errors, exit codes, progress.

An entry point defines absl flags and a `run()`, and calls `main(run)`. Flags are parsed
here and not by `absl.app`, which exits with 1 and two lines on a wrong flag, where one
line and exit code 2 are expected.
"""

import logging as stdlib_logging
import math
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

from absl import flags, logging


class InputError(ValueError):
    """A flag, file or argument of the user cannot be used: one line, exit code 2."""


class RunError(RuntimeError):
    """A failure while running, not caused by the input: one line, exit code 1."""


def main(run: Callable[[], int | None], argv: list[str] | None = None) -> NoReturn:
    """Parses the flags, calls `run`, and exits with its exit code."""
    sys.exit(_main(run, sys.argv if argv is None else argv))


def _main(run: Callable[[], int | None], argv: list[str]) -> int:
    if any(a in ("--help", "-h", "-help", "--helpfull") for a in argv[1:]):
        print(_help(argv[0]))
        return 0
    try:
        rest = flags.FLAGS(argv)[1:]
        if rest:
            raise InputError(
                f"unexpected argument {rest[0]!r}; every setting is a flag"
            )
        logging.use_absl_handler()
        plain = stdlib_logging.Formatter("%(message)s")
        logging.get_absl_handler().setFormatter(plain)
        # --verbosity=1 shows our debug lines without the hundreds that jax logs.
        stdlib_logging.getLogger("jax").setLevel(stdlib_logging.WARNING)
        return run() or 0
    except (Exception, KeyboardInterrupt) as error:
        return report(error)


def report(error: BaseException) -> int:
    """Prints an error as one line; returns the exit code."""
    if isinstance(error, KeyboardInterrupt):
        print("interrupted; the same command resumes from here", file=sys.stderr)
        return 130
    if isinstance(error, BrokenPipeError):
        return 1
    print(f"error: {line_of(error)}", file=sys.stderr)
    if flags.FLAGS.is_parsed() and logging.get_verbosity() >= logging.DEBUG:
        traceback.print_exception(error)
    return 2 if isinstance(error, InputError | flags.Error) else 1


def line_of(error: BaseException) -> str:
    """Returns an error as one line; errors of other libraries begin with their type."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, InputError | RunError | flags.Error):
        return text
    return f"{type(error).__name__}: {text}"


def _help(program: str) -> str:
    module = sys.modules["__main__"]
    doc = (module.__doc__ or "").strip()
    text = flags.FLAGS.module_help(module)
    return f"{doc}\n\nflags ({program}):\n{text}"


class Progress:
    """Prints the items done, items per second and time left.

    On a terminal one line is updated; otherwise a line is printed every `interval`
    seconds. Work that ends within `delay` seconds prints nothing.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        *,
        interval: float = 30.0,
        unit: str = "frames",
        delay: float = 0.0,
    ):
        self._unit, self._delay = unit, delay
        self._label, self._total, self._interval = label, total, interval
        self._done = self._skipped = 0
        self._start = time.monotonic()
        # With a delay, the first line is due as soon as the delay has passed.
        self._shown = -math.inf if delay else self._start
        self._terminal = sys.stderr.isatty()

    def skip(self, frames: int) -> None:
        """Counts frames of an earlier run as done; they do not count in the speed."""
        self._skipped += frames
        self.add(frames)

    def add(self, frames: int) -> None:
        """Counts finished frames; prints a line if one is due."""
        self._done += frames
        now = time.monotonic()
        if now - self._start < self._delay:
            return
        if now - self._shown >= (0.2 if self._terminal else self._interval):
            self._shown = now
            self._write(self._line(now))

    def close(self) -> None:
        """Prints the last line."""
        if self._delay and self._shown == -math.inf:
            return
        self._write(self._line(time.monotonic()))
        if self._terminal:
            print(file=sys.stderr)

    def _line(self, now: float) -> str:
        elapsed = max(now - self._start, 1e-6)
        rate = (self._done - self._skipped) / elapsed
        total = f"/{self._total}" if self._total else ""
        count = f"{self._done}{total} {self._unit}"
        line = f"{self._label}: {count}, {rate:.1f} {self._unit}/s"
        if self._total and rate > 0 and self._done < self._total:
            line += f", {_clock((self._total - self._done) / rate)} left"
        return line

    def _write(self, line: str) -> None:
        end = "\r" if self._terminal else "\n"
        print(f"{line:<78}" if self._terminal else line, file=sys.stderr, end=end)
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

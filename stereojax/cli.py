"""Errors, exit codes and progress: how an entry point meets its user.

An entry point defines absl flags and a `run()`; `main(run)` does the rest. Flags are
parsed here and not by `absl.app`, which exits 1 with two lines where one line and 2 are
wanted.
"""

import logging as stdlib_logging
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

from absl import flags, logging


class InputError(ValueError):
    """The user gave something that cannot work: one line, exit code 2."""


class RunError(RuntimeError):
    """A failure while running, not of the user's making: one line, exit code 1."""


def main(run: Callable[[], int | None], argv: list[str] | None = None) -> NoReturn:
    """Parses the flags, calls `run`, and leaves with the exit code."""
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
        # --verbosity is ours; jax has hundreds of debug lines to say about itself.
        stdlib_logging.getLogger("jax").setLevel(stdlib_logging.WARNING)
        return run() or 0
    except (Exception, KeyboardInterrupt) as error:
        return report(error)


def report(error: BaseException) -> int:
    """Says what is wrong, in one line; the exit code."""
    if isinstance(error, KeyboardInterrupt):
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    if isinstance(error, BrokenPipeError):
        return 1
    print(f"error: {line_of(error)}", file=sys.stderr)
    if flags.FLAGS.is_parsed() and logging.get_verbosity() >= logging.DEBUG:
        traceback.print_exception(error)
    return 2 if isinstance(error, InputError | flags.Error) else 1


def line_of(error: BaseException) -> str:
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
    """Frames done, frames per second and time left; one line on a terminal.

    Where the output is not a terminal, a line every `interval` seconds.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        *,
        interval: float = 30.0,
        unit: str = "frames",
    ):
        self._unit = unit
        self._label, self._total, self._interval = label, total, interval
        self._done = self._skipped = 0
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def skip(self, frames: int) -> None:
        """Frames that were there already: done, but not at today's speed."""
        self._skipped += frames
        self.add(frames)

    def add(self, frames: int) -> None:
        self._done += frames
        now = time.monotonic()
        if now - self._shown >= (0.2 if self._terminal else self._interval):
            self._shown = now
            self._write(self._line(now))

    def close(self) -> None:
        self._write(self._line(time.monotonic()))
        if self._terminal:
            print(file=sys.stderr)

    def _line(self, now: float) -> str:
        elapsed = max(now - self._start, 1e-6)
        rate = (self._done - self._skipped) / elapsed
        of = f"/{self._total}" if self._total else ""
        line = (
            f"{self._label}: {self._done}{of} {self._unit}, {rate:.1f} {self._unit}/s"
        )
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

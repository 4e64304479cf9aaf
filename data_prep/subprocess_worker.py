"""Work in a process of its own, so that a crash costs one film and not the job.

A decoder that crashes, or a film that takes all memory, would take a Beam worker with
it; runners try such work again and again, or wait for it for ever.
"""

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Died(RuntimeError):
    """The process ended before it could answer."""


class Isolated:
    """One process, started when it is first needed and again when it has died."""

    def __init__(self):
        self._process: Any = None
        self._ours: Connection | None = None
        self._lock = threading.Lock()

    def call(self, work: Callable[..., Any], *given: Any) -> Any:
        """`work(*given)`, over there. `work` must be importable, and raise nothing.

        Raises:
          Died: the process was killed or crashed; the next call starts another.
        """
        with self._lock:
            if self._process is None:
                self._start()
            try:
                self._ours.send((work, given))
                return self._ours.recv()
            except (EOFError, OSError) as error:
                self._process.join(10)
                code = self._process.exitcode
                self._drop()
                raise Died(_reason(code)) from error

    def stop(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.join()
                self._drop()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._ours, self._process = ours, process

    def _drop(self) -> None:
        self._ours.close()
        self._process = self._ours = None


SHARED = Isolated()  # of this process; Beam's workers handle one film at a time
atexit.register(SHARED.stop)


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    while True:
        try:
            work, given = connection.recv()
        except EOFError:
            return
        connection.send(work(*given))


def _leave_with_parent() -> None:
    """A parent that is killed cannot stop us."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = "; out of memory?" if -code == signal.SIGKILL else ""
        return f"the process that worked on it was killed by {name}{hint}"
    return f"the process that worked on it ended with code {code}"

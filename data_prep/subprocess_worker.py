"""Runs functions in a subprocess, so that a crash costs one film and not the job.

A film that crashes a decoder or exhausts the memory would otherwise kill the Beam
worker, and runners then retry such work endlessly, or wait for it forever.
"""

import atexit
import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from stereojax.worker_process import exit_with_parent


class WorkerDied(RuntimeError):
    """The subprocess ended before it returned a result."""


class SubprocessWorker:
    """One subprocess, started on the first call and restarted after a crash."""

    def __init__(self):
        self._process: Any = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns `function(*arguments)`, run in the subprocess.

        `function` must be importable and must not raise.

        Raises:
          WorkerDied: the subprocess crashed or was killed.
        """
        with self._lock:
            if self._process is None:
                self._start()
            try:
                self._connection.send((function, arguments))
                return self._connection.recv()
            except (EOFError, OSError) as error:
                self._process.join(10)
                code = self._process.exitcode
                self._forget()
                raise WorkerDied(_death_message(code)) from error

    def stop(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.join()
                self._forget()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        connection, child_connection = context.Pipe()
        process = context.Process(
            target=_serve_calls, args=(child_connection,), daemon=True
        )
        try:
            process.start()
        except BaseException:
            connection.close()
            raise
        finally:
            child_connection.close()
        self._connection, self._process = connection, process

    def _forget(self) -> None:
        self._connection.close()
        self._process = self._connection = None


# One for this process: a Beam worker processes one film at a time.
SHARED_WORKER = SubprocessWorker()
atexit.register(SHARED_WORKER.stop)


def _serve_calls(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    exit_with_parent()
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        connection.send(function(*arguments))


def _death_message(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = "; out of memory?" if -code == signal.SIGKILL else ""
        return f"the process that worked on it was killed by {name}{hint}"
    return f"the process that worked on it ended with code {code}"

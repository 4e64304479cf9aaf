"""Ends all processes of a run when one of them fails.

Without this, the other processes would wait for the failed one in the middle of an
update, and the failed one would wait for them while shutting down. A process that fails
writes its error to JAX's coordination service, which runs in process 0, and exits at
once; the other processes poll the service.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

import jax

from stereojax import cli

POLL_SECONDS = 1.0  # between two polls of the service
GRACE_SECONDS = 3.0  # for a process to fail by itself after another one has failed
PATIENCE_SECONDS = 20.0  # for process 0 to wait until the others have read the error
_FAILED, _LEFT = "stereojax/failed", "stereojax/left"


class OtherProcessFailed(cli.RunError):
    """This process has to stop; another process knows the reason."""


@contextlib.contextmanager
def fail_together() -> Iterator[None]:
    """Ends all processes when the block raises in one of them.

    Each prints the reason in one line, and exits with the failed process's exit code.
    Does nothing if there is only one process.
    """
    if not jax.distributed.is_initialized():
        yield
        return
    watch = _FailureWatch()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        watch.fail(error)
    finally:
        watch.stop()


class _FailureWatch:
    """Publishes this process's failure, and polls for that of another process."""

    def __init__(self) -> None:
        # JAX has no public name for its client.
        from jax._src.distributed import global_state

        self._client = global_state.client
        self._process, self._processes = jax.process_index(), jax.process_count()
        # Acquired by the thread that exits the process, and never released.
        self._exit_lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops polling; needed before JAX shuts down the coordination service."""
        self._stopped.set()
        self._thread.join()

    def fail(self, error: BaseException) -> NoReturn:
        """Publishes `error` and exits; prefers the failure that caused it, if known."""
        self._exit_lock.acquire()
        # An error of JAX may be the consequence of another process's failure.
        secondary = isinstance(error, OtherProcessFailed)
        own = isinstance(error, cli.InputError | cli.RunError) and not secondary
        if isinstance(error.__cause__, jax.errors.JaxRuntimeError) or not own:
            self._exit_if_published(PATIENCE_SECONDS if secondary else 0.0)
        code = cli.report(error)
        text = f"{code} process {self._process}: {cli.line_of(error)}"
        with contextlib.suppress(Exception):  # another process published first
            self._client.key_value_set(_FAILED, text)
        self._exit(code)

    def _poll(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            if failure := self._published():
                time.sleep(GRACE_SECONDS)
                self._exit_lock.acquire()
                self._exit_with(failure)

    def _published(self) -> str | None:
        """Returns the failure that another process has published, or None."""
        try:
            return self._client.key_value_try_get(_FAILED)
        # No failure is published; or the service is gone, and JAX aborts this process.
        except Exception:
            return None

    def _exit_if_published(self, patience: float) -> None:
        """Waits up to `patience` seconds for a published failure, and exits with it."""
        deadline = time.monotonic() + patience
        while not (failure := self._published()):
            if time.monotonic() >= deadline:
                return
            time.sleep(POLL_SECONDS / 10)
        self._exit_with(failure)

    def _exit_with(self, failure: str) -> NoReturn:
        code, _, text = failure.partition(" ")
        print(f"error: {text}", file=sys.stderr)
        self._exit(int(code))

    def _exit(self, code: int) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(Exception):
            self._client.key_value_set(f"{_LEFT}/{self._process}", "", True)
            if self._process == 0:  # the others poll the service in this process
                deadline = time.monotonic() + PATIENCE_SECONDS
                while time.monotonic() < deadline and not self._all_left():
                    time.sleep(POLL_SECONDS / 10)
        os._exit(code)

    def _all_left(self) -> bool:
        return len(self._client.key_value_dir_get(_LEFT)) == self._processes

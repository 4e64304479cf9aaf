"""Of several processes that train together, one that fails ends all of them.

Left to themselves, the others would wait for it in the middle of an update, and it for
them on its way out. So it says what is wrong to jax's coordination service, which is
in the first process, and leaves at once; the others ask there every second.
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

SECONDS = 1.0  # between two questions
GRACE = 3.0  # for a process to fail for its own reason, where another has failed
PATIENCE = 20.0  # of the first process, with the others, before it leaves
_FAILED, _LEFT = "stereojax/failed", "stereojax/left"


class OtherFailed(cli.RunError):
    """This process has to stop, and another one knows why."""


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Where there are several processes, what is raised inside ends all of them here.

    Each says why, in one line, and leaves with the code of the one that failed.
    """
    if not jax.distributed.is_initialized():
        yield
        return
    ending = _Ending()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        ending.fail(error)
    finally:
        ending.stop()


class _Ending:
    def __init__(self) -> None:
        # Jax has no public name for its client.
        from jax._src.distributed import global_state

        self._client = global_state.client
        self._process, self._processes = jax.process_index(), jax.process_count()
        self._once = threading.Lock()  # for whoever ends this process, and kept
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Before jax takes leave of its service."""
        self._over.set()
        self._thread.join()

    def fail(self, error: BaseException) -> NoReturn:
        self._once.acquire()
        # It may well have failed because another one had.
        lost = isinstance(error, OtherFailed)
        ours = isinstance(error, cli.InputError | cli.RunError) and not lost
        if isinstance(error.__cause__, jax.errors.JaxRuntimeError) or not ours:
            self._pass_on_what_is_told(PATIENCE if lost else 0.0)
        code = cli.report(error)
        text = f"{code} process {self._process}: {cli.line_of(error)}"
        with contextlib.suppress(Exception):  # another one was faster
            self._client.key_value_set(_FAILED, text)
        self._leave(code)

    def _listen(self) -> None:
        while not self._over.wait(SECONDS):
            if told := self._told():
                time.sleep(GRACE)
                self._once.acquire()
                self._pass_on(told)

    def _told(self) -> str | None:
        """What another process failed with."""
        try:
            return self._client.key_value_try_get(_FAILED)
        except Exception:  # none has; or the service is gone, of which jax makes an end
            return None

    def _pass_on_what_is_told(self, patience: float) -> None:
        until = time.monotonic() + patience
        while not (told := self._told()):
            if time.monotonic() >= until:
                return
            time.sleep(SECONDS / 10)
        self._pass_on(told)

    def _pass_on(self, told: str) -> NoReturn:
        code, _, text = told.partition(" ")
        print(f"error: {text}", file=sys.stderr)
        self._leave(int(code))

    def _leave(self, code: int) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(Exception):
            self._client.key_value_set(f"{_LEFT}/{self._process}", "", True)
            if self._process == 0:  # whose service the others ask
                until = time.monotonic() + PATIENCE
                while time.monotonic() < until and not self._all_know():
                    time.sleep(SECONDS / 10)
        os._exit(code)

    def _all_know(self) -> bool:
        return len(self._client.key_value_dir_get(_LEFT)) == self._processes

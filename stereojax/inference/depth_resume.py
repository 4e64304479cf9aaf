"""In the middle of a shot: what an estimator needs to go on, on disk."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stereojax.depth.estimator import State

SECONDS = 30.0  # of work that a crash may cost, at most, beside the window in progress


class ShotStateStore:
    """States of one shot's estimate, `DONE.safetensors` each.

    A state is of use once all depth before it is written: two are kept, the last that
    is, and the last of all.
    """

    def __init__(self, folder: Path, written: int):
        """`written`: frames of the shot, from its first on, whose depth is on disk."""
        self._folder, self.written = folder, written
        self._last = time.monotonic()
        self._state = self._read()
        self.done = 0 if self._state is None else int(self._state["done"])

    def load(self) -> State | None:
        """The last state that is of use; the estimate begins at frame `done`."""
        state, self._state = self._state, None
        return state

    def offer(self, done: int, state: Callable[[], State]) -> None:
        """Writes the state, unless one was written a short while ago."""
        if time.monotonic() - self._last < SECONDS:
            return
        from safetensors.numpy import save_file

        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{done:09}.safetensors"
        part = path.with_suffix(".part")
        arrays = {name: np.array(array, order="C") for name, array in state().items()}
        save_file(arrays, part)
        part.replace(path)
        self._last = time.monotonic()
        useful = self._useful()
        for other in self._folder.glob("*.safetensors"):
            if other not in (path, *useful[-1:]):
                other.unlink()

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _useful(self) -> list[Path]:
        states = sorted(self._folder.glob("*.safetensors"))
        return [path for path in states if int(path.stem) <= self.written]

    def _read(self) -> State | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        for path in reversed(self._useful()):
            try:
                return load_file(path)
            except (SafetensorError, OSError):
                continue  # an older one, or the beginning
        return None

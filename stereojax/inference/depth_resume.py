"""Keeps an estimator's state on disk, so that a run can resume inside a long shot."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stereojax.depth.estimator import State
from stereojax.storage.atomic import atomic_write

SECONDS = 30.0  # between two states: the work that a crash can lose, plus one window


class ShotStateStore:
    """Stores the states of one shot's estimate as `DONE.safetensors`.

    A state can be used once all depth before it is on disk. Two states are kept: the
    newest that can be used, and the newest.
    """

    def __init__(self, folder: Path, written: int):
        """`written`: number of the shot's first frames whose depth is on disk."""
        self._folder, self.written = folder, written
        self._last = time.monotonic()
        self._state = self._read()
        self.frames_done = 0 if self._state is None else int(self._state["done"])

    def load(self) -> State | None:
        """Returns the newest usable state; frame `frames_done` is estimated next."""
        state, self._state = self._state, None
        return state

    def offer(self, frames_done: int, state: Callable[[], State]) -> None:
        """Writes the state, unless one was written less than `SECONDS` ago."""
        if time.monotonic() - self._last < SECONDS:
            return
        from safetensors.numpy import save_file

        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{frames_done:09}.safetensors"
        arrays = {name: np.array(array, order="C") for name, array in state().items()}
        with atomic_write(path) as part:
            save_file(arrays, part)
        self._last = time.monotonic()
        usable = self._usable()
        for other in self._states():
            if other not in (path, *usable[-1:]):
                other.unlink()

    def clear(self) -> None:
        """Removes all states of the shot."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _states(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.safetensors"))

    def _usable(self) -> list[Path]:
        return [path for path in self._states() if int(path.stem) <= self.written]

    def _read(self) -> State | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        for path in reversed(self._usable()):
            try:
                return load_file(path)
            except (SafetensorError, OSError):
                continue  # damaged: the older state, or the shot's beginning
        return None

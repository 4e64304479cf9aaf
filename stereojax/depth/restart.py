"""How the estimate of a long shot goes on where it was stopped."""

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

State = dict[str, np.ndarray]


@runtime_checkable
class Restart(Protocol):
    """Where an estimator leaves what it needs to go on in the middle of a shot."""

    def load(self) -> State | None:
        """What was kept last; None at the shot's beginning."""
        ...

    def offer(self, done: int, state: Callable[[], State]) -> None:
        """The depth of `done` frames was given; `state()` is what the rest needs."""
        ...


class FromTheStart:
    """Keeps nothing."""

    def load(self) -> State | None:
        return None

    def offer(self, done: int, state: Callable[[], State]) -> None:
        pass


@runtime_checkable
class Resumable(Protocol):
    """An estimator that can go on in the middle of a shot, with the same result."""

    def resume(
        self, frames: Callable[[int], Iterator[np.ndarray]], restart: Restart
    ) -> Iterator[np.ndarray]:
        """Depth of the frames that were not done when `restart` was left.

        `frames(first)` gives the shot's frames from number `first` on.
        """
        ...

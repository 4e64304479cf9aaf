"""The contract of a depth model: frames of a shot in, relative inverse depth out."""

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

State = dict[str, np.ndarray]


@runtime_checkable
class Estimator(Protocol):
    """Estimates relative inverse depth of the frames of one shot."""

    name: str
    licence: str
    per_frame: bool  # the depth of a frame does not depend on the other frames
    per_frame_scale: bool  # scale and shift change from frame to frame: steady them

    def estimate(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields (hd, wd) float32 depth of (h, w, 3) uint8 or uint16 frames, in order.

        Larger = nearer; (hd, wd) is the network's own size.
        """
        ...


@runtime_checkable
class StateStore(Protocol):
    """Keeps an estimator's state, so that a stopped shot can be resumed."""

    def load(self) -> State | None:
        """Returns the newest state; None at the beginning of a shot."""
        ...

    def offer(self, frames_done: int, state: Callable[[], State]) -> None:
        """Is called when `frames_done` frames have been yielded; may keep `state()`."""
        ...


class NoStateStore:
    """Keeps no state: a shot begins at its first frame."""

    def load(self) -> State | None:
        return None

    def offer(self, frames_done: int, state: Callable[[], State]) -> None:
        pass


@runtime_checkable
class ResumableEstimator(Estimator, Protocol):
    """An estimator that can continue in the middle of a shot, with the same result."""

    def resume(
        self, frames: Callable[[int], Iterator[np.ndarray]], store: StateStore
    ) -> Iterator[np.ndarray]:
        """Yields the depth of the frames after those of the state in `store`.

        `frames(first)` yields the shot's frames from number `first` on.
        """
        ...

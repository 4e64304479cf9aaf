"""SIGTERM: what a cluster sends before it takes a machine away."""

import signal
from types import FrameType


class Preemption:
    """Notes a SIGTERM; the loop asks after each step."""

    def __init__(self) -> None:
        self._told = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._told = True

    def at(self, step: int) -> bool:
        """Whether to stop before `step`: the same step on every process."""
        import jax

        if jax.process_count() == 1:
            return self._told
        from jax.experimental import multihost_utils

        return multihost_utils.reached_preemption_sync_point(step)

"""SIGTERM, which a cluster sends before it takes a machine away, and Ctrl-C."""

import os
import signal
import sys
from types import FrameType


class Preemption:
    """Notes a SIGTERM or a first Ctrl-C; the loop asks after each step.

    Once this process has joined others, jax notes it in its place, so that all of them
    stop before the same step.
    """

    def __init__(self) -> None:
        self._told = self._together = False
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._told = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            print("stops after this step; once more: at once", file=sys.stderr)
            if self._together:
                os.kill(os.getpid(), signal.SIGTERM)

    def joined(self) -> None:
        """After the other processes were joined, if there are any."""
        import jax

        self._together = jax.process_count() > 1
        if not self._together:
            # Jax takes it where it was asked to join others, though there are none.
            signal.signal(signal.SIGTERM, self._note)
        elif self._told:
            os.kill(os.getpid(), signal.SIGTERM)  # now for jax, who tells the others

    def early(self) -> bool:
        """Whether to stop before anything is compiled; only known to one process."""
        return self._told and not self._together

    def at(self, step: int) -> bool:
        """Whether to stop before `step`: the same step on every process."""
        if not self._together:
            return self._told
        from jax.experimental import multihost_utils

        return multihost_utils.reached_preemption_sync_point(step)

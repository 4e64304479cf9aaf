"""SIGTERM, which a cluster sends before it takes a machine away, and Ctrl-C."""

import signal
import sys
from types import FrameType


class Preemption:
    """Notes a SIGTERM or a first Ctrl-C; the loop asks after each update."""

    def __init__(self) -> None:
        self._told = False
        self.listen()

    def listen(self) -> None:
        """Again after other processes were joined: jax then takes SIGTERM for itself.

        Its own protocol counts steps from 0, and would wait for one that a run that
        goes on has left behind; ours is in `Votes`.
        """
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def told(self) -> bool:
        """Whether this process is to stop."""
        return self._told

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._told = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            print("stops after this step; once more: at once", file=sys.stderr)

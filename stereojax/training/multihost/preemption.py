"""Handles SIGTERM, which clusters send before they take a machine away, and Ctrl-C."""

import signal
import sys
from types import FrameType


class Preemption:
    """Records a SIGTERM or a first Ctrl-C, for the training loop to check."""

    def __init__(self) -> None:
        self._stop_requested = False
        self.install_handlers()

    def install_handlers(self) -> None:
        """Installs the handlers; again after jax.distributed, which takes SIGTERM over.

        JAX's own protocol counts steps from 0 and would wait for a step that a resumed
        run has already passed. `AllAgree` replaces it.
        """
        signal.signal(signal.SIGTERM, self._request_stop)
        signal.signal(signal.SIGINT, self._request_stop)

    def stop_requested(self) -> bool:
        """Returns whether this process received a signal to stop."""
        return self._stop_requested

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stop_requested = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            print("stopping after this step; Ctrl-C again: at once", file=sys.stderr)

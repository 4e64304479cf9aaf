"""TensorBoard's events, written here and now: no thread whose errors nobody hears."""

import os
import time
from pathlib import Path

import numpy as np

from stereojax.shapes import UInt8


class Events:
    """A file of events, with `tensorboardX`'s messages."""

    def __init__(self, folder: Path, *, purge_step: int):
        """What older files have from `purge_step` on does not count."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}")
        start = SessionLog(status=SessionLog.START)
        self._write(purge_step, session_log=start)

    def scalar(self, name: str, value: float, step: int) -> None:
        from tensorboardX.summary import scalar

        self._write(step, summary=scalar(name, value))

    def picture(
        self, name: str, picture: UInt8[np.ndarray, "h w 3"], step: int
    ) -> None:
        from tensorboardX.summary import image

        self._write(step, summary=image(name, picture, dataformats="HWC"))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _write(self, step: int, **content) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))

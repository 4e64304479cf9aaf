"""Writes metrics to metrics.jsonl and TensorBoard, and images to PNG and TensorBoard.

A resumed run writes each step once.
"""

import contextlib
import io
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stereojax.shapes import UInt8
from stereojax.storage import locations
from stereojax.storage.mirrored_folder import MirroredFolder

FILE = "metrics.jsonl"


class MetricWriter:
    """Appends rows to the metrics of a run.

    First removes the rows after `step`, because a resumed run writes them again.
    """

    def __init__(self, workdir: locations.Location, *, step: int):
        """Raises RunError if the existing rows cannot be read or rewritten."""
        self._workdir = workdir
        self._mirror = MirroredFolder(workdir)
        self._path = self._mirror.folder / FILE
        with locations.as_run_error(f"cannot read {workdir / FILE}"):
            self._mirror.download(FILE)
        with locations.as_run_error(f"cannot write {self._path}"):
            self._truncate(step)
            self._file = self._path.open("a")
            self._events = EventWriter(
                self._mirror.folder / "tensorboard", purge_step=step + 1
            )

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes a row with the key `step`; raises RunError if the disk is full."""
        with locations.as_run_error(f"cannot write {self._path}"):
            line = json.dumps({k: _finite_or_none(v) for k, v in row.items()})
            self._file.write(line + "\n")
            self._file.flush()
            for name, value in row.items():
                if isinstance(value, float) and math.isfinite(value):
                    self._events.scalar(name, value, row["step"])
            self._events.flush()
        self._mirror.upload()

    def write_image(
        self, name: str, image: UInt8[np.ndarray, "h w 3"], step: int
    ) -> None:
        """Writes WORKDIR/NAME/step_0000000.png, and the image to TensorBoard.

        Raises:
          RunError: the image cannot be written.
        """
        from PIL import Image

        content = io.BytesIO()
        Image.fromarray(image).save(content, "PNG")
        path = self._workdir / name / f"step_{step:07}.png"
        with locations.as_run_error(f"cannot write {path}"):
            locations.write_file(path, content.getvalue())
            self._events.image(name, image, step)

    def flush(self) -> None:
        """Uploads all rows; called before each checkpoint, so that no row is lost.

        Raises:
          RunError: the files cannot be uploaded.
        """
        self._mirror.upload(now=True)

    def close(self) -> None:
        """Closes the files; every row is flushed already, so errors are ignored."""
        for file in (self._file, self._events):
            with contextlib.suppress(OSError):
                file.close()
        self._mirror.close()

    def _truncate(self, step: int) -> None:
        """Removes the rows after `step`, and an incomplete last row."""
        if not self._path.exists():
            return
        kept_lines = []
        for line in self._path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row["step"] <= step:
                kept_lines.append(line)
        content = "".join(f"{line}\n" for line in kept_lines)
        locations.write_file(self._path, content.encode())


class EventWriter:
    """Writes TensorBoard events in the calling thread, so that errors reach the caller.

    The errors of tensorboardX's own writer are lost in its thread; this class uses only
    its messages and its file format.
    """

    def __init__(self, folder: Path, *, purge_step: int):
        """Opens a file; TensorBoard hides older events from step `purge_step` on."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}")
        start = SessionLog(status=SessionLog.START)
        self._write(purge_step, session_log=start)

    def scalar(self, name: str, value: float, step: int) -> None:
        from tensorboardX.summary import scalar

        self._write(step, summary=scalar(name, value))

    def image(self, name: str, image: UInt8[np.ndarray, "h w 3"], step: int) -> None:
        from tensorboardX import summary

        self._write(step, summary=summary.image(name, image, dataformats="HWC"))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _write(self, step: int, **content) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))


def _finite_or_none(value: Any) -> Any:
    """Replaces NaN and infinity, which JSON cannot represent, by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value

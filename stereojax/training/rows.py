"""metrics.jsonl and TensorBoard's events: one row a logged step, each step once."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stereojax.cli import RunError

FILE = "metrics.jsonl"


class Rows:
    """Rows of a run, in order; opened at a step, it forgets what came after it."""

    def __init__(self, workdir: Path, *, step: int):
        from tensorboardX import SummaryWriter

        self._path = workdir / FILE
        self._forget(step)
        self._file = self._path.open("a")
        self._events = SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)

    def write(self, row: Mapping[str, Any]) -> None:
        """Raises RunError where the disk is full."""
        try:
            self._file.write(json.dumps({k: _plain(v) for k, v in row.items()}) + "\n")
            self._file.flush()
            for name, value in row.items():
                if isinstance(value, float) and math.isfinite(value):
                    self._events.add_scalar(name, value, row["step"])
            self._events.flush()
        except OSError as error:
            raise RunError(f"cannot write {self._path}: {error.strerror}") from error

    def picture(self, name: str, picture: np.ndarray, step: int) -> None:
        """`picture`: (h, w, 3) uint8."""
        self._events.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        self._events.close()

    def _forget(self, step: int) -> None:
        if not self._path.exists():
            return
        kept = []
        for line in self._path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # the last one, torn
                continue
            if row["step"] <= step:
                kept.append(line)
        beside = self._path.with_suffix(f".{os.getpid()}.part")
        beside.write_text("".join(f"{line}\n" for line in kept))
        beside.rename(self._path)


def _plain(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value

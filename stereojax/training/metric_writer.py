"""metrics.jsonl, TensorBoard's events and pictures: each logged step once."""

import contextlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from stereojax.storage import locations
from stereojax.storage.mirrored_folder import Growing
from stereojax.training.events import Events

FILE = "metrics.jsonl"


class Rows:
    """Rows of a run, in order; opened at a step, it forgets what came after it."""

    def __init__(self, workdir: locations.Place, *, step: int):
        """Raises RunError where the rows there are cannot be read or written."""
        self._workdir = workdir
        self._growing = Growing(workdir)
        self._path = self._growing.folder / FILE
        with locations.told(f"cannot read {workdir / FILE}"):
            self._growing.bring(FILE)
        with locations.told(f"cannot write {self._path}"):
            self._forget(step)
            self._file = self._path.open("a")
            self._events = Events(
                self._growing.folder / "tensorboard", purge_step=step + 1
            )

    def write(self, row: Mapping[str, Any]) -> None:
        """Raises RunError where the disk is full."""
        with locations.told(f"cannot write {self._path}"):
            self._file.write(json.dumps({k: _plain(v) for k, v in row.items()}) + "\n")
            self._file.flush()
            for name, value in row.items():
                if isinstance(value, float) and math.isfinite(value):
                    self._events.scalar(name, value, row["step"])
            self._events.flush()
        self._growing.keep()

    def picture(self, name: str, picture: np.ndarray, step: int) -> None:
        """Among the events, and as WORKDIR/NAME/step_0000000.png.

        Args:
          picture: (h, w, 3) uint8.

        Raises:
          RunError: it cannot be written.
        """
        from PIL import Image

        content = io.BytesIO()
        Image.fromarray(picture).save(content, "PNG")
        path = self._workdir / name / f"step_{step:07}.png"
        with locations.told(f"cannot write {path}"):
            locations.write(path, content.getvalue())
            self._events.picture(name, picture, step)

    def keep(self) -> None:
        """Before a checkpoint, without whose rows the steps before it would be.

        Raises:
          RunError: they cannot be copied to the run's bucket.
        """
        self._growing.keep(now=True)

    def close(self) -> None:
        """Each row is written already: what fails now is not worth another error."""
        for file in (self._file, self._events):
            with contextlib.suppress(OSError):
                file.close()
        self._growing.close()

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
        locations.write(self._path, "".join(f"{line}\n" for line in kept).encode())


def _plain(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value

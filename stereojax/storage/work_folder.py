"""The work folder: intermediate results on disk, keyed by everything they depend on."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.storage.atomic import to_json


def key_of(*parts: Any) -> str:
    """Returns a short hash of a set of inputs: equal parts, equal key."""
    text = json.dumps(parts, sort_keys=True, default=to_json)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclasses.dataclass(frozen=True)
class WorkFolder:
    """`OUTPUT.work`: one folder per stage and key, so results are never mixed."""

    root: Path

    @classmethod
    def of(cls, output: Path) -> "WorkFolder":
        """Returns the work folder of an output file: its name with `.work` added."""
        return cls(output.with_name(output.name + ".work"))

    def stage(self, name: str, key: str) -> Path:
        """Returns the folder of a stage's results; creates it if it is absent."""
        folder = self.root / f"{name}-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder against a second run; a killed run's lock ends with it."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle = (self.root / "lock").open("w")
        except OSError as error:
            raise InputError(
                f"--output: cannot write {self.root}: {error.strerror}"
            ) from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"{self.root} is in use by another run; wait for it, or stop it"
                ) from None
            try:
                yield
            finally:
                if not self._holds_results():
                    self.remove()

    def _holds_results(self) -> bool:
        """Returns whether the folder holds anything that another run could use."""
        return any(p.is_file() and p.name != "lock" for p in self.root.rglob("*"))

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

"""The work folder: what waits on disk, under a key of all that it depends on."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stereojax.cli import InputError


def key_of(*parts: Any) -> str:
    """A short name for a set of inputs: the same parts, the same name."""
    text = json.dumps(parts, sort_keys=True, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)


def part_of(path: Path) -> Path:
    """Where a file is written before it gets its name; it keeps its suffix."""
    return path.with_name(f".{path.stem}.part{path.suffix}")


def write_json(path: Path, content: Any) -> None:
    """Writes beside and renames: the file is whole or not there."""
    part = part_of(path)
    with part.open("w") as file:
        json.dump(content, file, indent=2, default=_plain)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_json(path: Path) -> Any | None:
    """The content, or None where there is no such file or it is not JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


@dataclasses.dataclass(frozen=True)
class WorkFolder:
    """`OUTPUT.work`: one folder a stage and key, so that nothing is ever mixed."""

    root: Path

    @classmethod
    def beside(cls, output: Path) -> "WorkFolder":
        return cls(output.with_name(output.name + ".work"))

    def stage(self, name: str, key: str) -> Path:
        folder = self.root / f"{name}-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second run out of the folder; a killed run lets go by itself."""
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
                if not self._holds_work():
                    self.remove()

    def _holds_work(self) -> bool:
        """Whether there is anything that another run could use."""
        return any(p.is_file() and p.name != "lock" for p in self.root.rglob("*"))

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def content_hash(path: Path) -> str:
    """A hash of a file's bytes, or of all files of a folder and their names."""
    files = (
        sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    )
    total = hashlib.blake2b(digest_size=16)
    for file in files:
        if path.is_dir():
            total.update(file.name.encode())
        with file.open("rb") as handle:
            total.update(hashlib.file_digest(handle, hashlib.blake2b).digest())
    return total.hexdigest()

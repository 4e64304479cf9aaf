"""Atomic writes: a file or a folder is complete under its name, or absent.

Content is written to a hidden sibling, flushed to the disk and renamed. A block that
raises leaves the old content untouched.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from etils import epath

AnyPath = TypeVar("AnyPath", Path, epath.Path)


def partial_path(path: AnyPath, *, unique: bool = False) -> AnyPath:
    """Returns the hidden sibling that holds `path` until it is complete.

    It keeps the suffix, by which encoders choose the file format. `unique` adds a
    random number, so that several machines can write the same path at once.
    """
    part = f"part-{uuid.uuid4().hex[:8]}" if unique else "part"
    return path.with_name(f".{path.stem}.{part}{path.suffix}")


@contextlib.contextmanager
def atomic_write(path: AnyPath, *, unique: bool = False) -> Iterator[AnyPath]:
    """Yields a path to write to; renames it to `path` when the block ends.

    `unique` is for a `path` that several processes may write at once.
    """
    part = partial_path(path, unique=unique)
    try:
        yield part
        flush_to_disk(part)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yields an empty folder to fill; renames it to `folder` when the block ends.

    An existing `folder` is replaced as a whole. The process number in the hidden name
    keeps two processes that write the same folder apart.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def flush_to_disk(path: Path | epath.Path) -> None:
    """Makes a local file survive a power failure (fsync); a bucket needs none."""
    if isinstance(path, Path):
        with path.open("rb") as file:
            os.fsync(file.fileno())


def write_json(path: Path | epath.Path, content: Any) -> None:
    """Writes `content` atomically; dataclasses become objects, other types strings."""
    text = json.dumps(content, indent=2, default=to_json) + "\n"
    with atomic_write(path) as part:
        part.write_text(text)


def read_json(path: Path | epath.Path) -> Any | None:
    """Returns the content, or None if the file is absent or not JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def to_json(value: Any) -> Any:
    """Converts values that `json` cannot write; for its argument `default`."""
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)

"""The films of an input: a file, a folder of files, or a pattern."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etils import epath

from stereojax.cli import InputError
from stereojax.conversion.batch import SUFFIXES


def find_films(place: str) -> list[str]:
    """Paths of video files, in order of name.

    A folder is looked through to its depth. Hidden files are not looked at.

    Raises:
      InputError: there are none.
    """
    path = epath.Path(place).expanduser()
    if path.is_dir():
        found = [p for p in _walk(path) if p.suffix.lower() in SUFFIXES]
    elif path.exists():
        found = [path]
    else:
        found = [p for p in path.parent.glob(path.name) if not p.is_dir()]
    found = sorted(os.fspath(p) for p in found if not p.name.startswith("."))
    if not found:
        raise InputError(f"--input={place}: no video file there")
    return found


def _walk(folder: epath.Path) -> Iterator[epath.Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry)
        else:
            yield entry


@contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """A path that FFmpeg can open: the file itself, or a copy of a remote one."""
    if "://" not in path:
        yield Path(path)
        return
    folder = Path(tempfile.gettempdir()) / f"film-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        copy = folder / path.rpartition("/")[2]
        epath.Path(path).copy(copy)
        yield copy
    finally:
        shutil.rmtree(folder, ignore_errors=True)

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
from stereojax.inference.convert_folder import SUFFIXES


def find_films(place: str) -> list[str]:
    """Paths of video files, in order of name.

    A folder is looked through to its depth; a pattern has `*` and no `**`. Hidden files
    are not looked at, and of others than videos only one that is named.

    Raises:
      InputError: there are none, or the pattern is none.
    """
    path = epath.Path(place).expanduser()
    if path.is_dir():
        found = [p for p in _walk(path) if p.suffix.lower() in SUFFIXES]
    elif path.exists():
        found = [path]
    else:
        try:
            found = [p for p in _matching(path) if p.suffix.lower() in SUFFIXES]
        except (ValueError, NotImplementedError) as error:
            raise InputError(
                f"--input={place}: not a pattern that can be followed; a folder is"
                " looked through to its depth: name it"
            ) from error
    found = sorted(os.fspath(p) for p in found if not p.name.startswith("."))
    if not found:
        raise InputError(f"--input={place}: no video file there")
    return found


def _matching(pattern: epath.Path) -> Iterator[epath.Path]:
    """Files; `*` and `?` may be in any part of the path."""
    folder = pattern.parent
    while any(sign in os.fspath(folder) for sign in "*?["):
        folder = folder.parent
    inner = os.fspath(pattern.relative_to(folder))
    return (path for path in folder.glob(inner) if not path.is_dir())


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

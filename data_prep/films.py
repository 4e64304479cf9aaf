"""Finds the films of `--input`: a file, a folder or a pattern."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etils import epath

from stereojax.cli import InputError
from stereojax.inference.convert_folder import FILM_SUFFIXES


def find_films(location: str) -> list[str]:
    """Returns the paths of video files, sorted.

    Folders are searched recursively. A pattern may use `*` and `?`, but not `**`.
    Hidden files are ignored, and so are files without a video suffix unless `location`
    is such a file.

    Raises:
      InputError: no video file was found, or the pattern is not supported.
    """
    path = epath.Path(location).expanduser()
    if path.is_dir():
        paths = [p for p in _walk(path) if p.suffix.lower() in FILM_SUFFIXES]
    elif path.exists():
        paths = [path]
    else:
        try:
            paths = [p for p in _matching(path) if p.suffix.lower() in FILM_SUFFIXES]
        except (ValueError, NotImplementedError) as error:
            raise InputError(
                f"--input={location}: this pattern is not supported; folders are"
                " searched recursively: name the folder"
            ) from error
    films = sorted(os.fspath(p) for p in paths if not p.name.startswith("."))
    if not films:
        raise InputError(
            f"--input={location}: no video file there; expected a film, a folder of"
            " films or a pattern"
        )
    return films


def _matching(pattern: epath.Path) -> Iterator[epath.Path]:
    """Yields matching files; any part of the path may hold `*` and `?`."""
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
    """Yields a path that FFmpeg can open: a local file, or a copy of a remote one."""
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

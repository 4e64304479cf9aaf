"""A folder of films: each on its own, and one bad file does not stop the others."""

import sys
from collections.abc import Callable
from pathlib import Path

from stereojax.cli import InputError, RunError

_COMMON = (".mp4", ".mkv", ".mov", ".m4v", ".webm", ".avi", ".mpg", ".mpeg")
_OTHER = (
    ".ts",
    ".m2ts",
    ".mts",
    ".wmv",
    ".flv",
    ".ogv",
    ".3gp",
    ".nut",
    ".mxf",
    ".vob",
)
SUFFIXES = frozenset((*_COMMON, *_OTHER))


def videos_in(folder: Path) -> list[Path]:
    """The video files of a folder, by name; hidden files are not looked at."""
    found = sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in SUFFIXES and p.is_file() and not p.name.startswith(".")
    )
    if not found:
        raise InputError(f"--input={folder}: the folder holds no video file")
    return found


def each(sources: list[Path], convert: Callable[[Path], object]) -> int:
    """Converts them in turn, sums up, and returns the worst exit code."""
    failed: list[tuple[Path, Exception]] = []
    for source in sources:
        print(f"{source.name}:", file=sys.stderr)
        try:
            convert(source)
        except Exception as error:
            failed.append((source, error))
            print(f"error: {error}", file=sys.stderr)
    done = len(sources) - len(failed)
    print(f"{done} of {len(sources)} files converted", file=sys.stderr)
    for source, error in failed:
        print(f"failed: {source.name}: {error}", file=sys.stderr)
    if not failed:
        return 0
    usage = all(isinstance(e, InputError) for _, e in failed)
    return 2 if usage and not any(isinstance(e, RunError) for _, e in failed) else 1

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
    failed: list[tuple[Path, str, bool]] = []  # why; whether it was the input's fault
    for source in sources:
        print(f"{source.name}:", file=sys.stderr)
        try:
            convert(source)
        except Exception as error:
            # Not the error itself: it would keep the film's networks in memory.
            usage = isinstance(error, InputError) and not isinstance(error, RunError)
            failed.append((source, str(error), usage))
            print(f"error: {error}", file=sys.stderr)
    done = len(sources) - len(failed)
    print(f"{done} of {len(sources)} files converted", file=sys.stderr)
    for source, why, _ in failed:
        print(f"failed: {source.name}: {why}", file=sys.stderr)
    if not failed:
        return 0
    return 2 if all(usage for _, _, usage in failed) else 1

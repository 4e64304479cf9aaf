"""Converts the films of a folder; a failed film does not stop the others."""

import sys
from collections.abc import Callable
from pathlib import Path

from stereojax.cli import InputError, line_of

# fmt: off
FILM_SUFFIXES = frozenset((
    ".mp4", ".mkv", ".mov", ".m4v", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts",
    ".mts", ".wmv", ".flv", ".ogv", ".3gp", ".nut", ".mxf", ".vob",
))
# fmt: on


def videos_in(folder: Path) -> list[Path]:
    """Returns the video files of a folder, sorted by name, without hidden files."""
    videos = sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in FILM_SUFFIXES
        and p.is_file()
        and not p.name.startswith(".")
    )
    if not videos:
        raise InputError(f"--input={folder}: the folder has no video file")
    return videos


def convert_each(sources: list[Path], convert: Callable[[Path], object]) -> int:
    """Converts films one after the other, and prints a summary.

    Returns:
      The exit code: 0 if all succeeded, 2 if every failure was an `InputError`, else 1.
    """
    failures: list[tuple[Path, str, bool]] = []  # film, error line, is an InputError
    for source in sources:
        print(f"{source.name}:", file=sys.stderr)
        try:
            convert(source)
        except Exception as error:
            # Keep only the text: the exception's traceback holds the film's networks.
            line = line_of(error)
            failures.append((source, line, isinstance(error, InputError)))
            print(f"error: {line}", file=sys.stderr)
    succeeded = len(sources) - len(failures)
    print(f"{succeeded} of {len(sources)} files converted", file=sys.stderr)
    for source, line, _ in failures:
        print(f"failed: {source.name}: {line}", file=sys.stderr)
    if not failures:
        return 0
    return 2 if all(is_input_error for _, _, is_input_error in failures) else 1

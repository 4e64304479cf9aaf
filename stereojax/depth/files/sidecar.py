"""The JSON sidecar of a depth file: its path, its content, and their validation."""

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.storage.atomic import atomic_write

FORMAT = "stereojax-depth"
VERSION = 1
UNITS = ("relative", "pixels")


def path_of(path: Path) -> Path:
    """Returns the path of the sidecar of a depth file."""
    return path.with_suffix(".json")


def write(path: Path, meta: dict[str, Any]) -> None:
    """Writes the sidecar of the depth file `path` atomically."""
    with atomic_write(path_of(path)) as part:
        part.write_text(json.dumps(meta, indent=1, allow_nan=False) + "\n")


def read(path: Path, fields: list[str]) -> dict[str, Any]:
    """Returns the `fields` of the sidecar of `path`, lists as tuples.

    Raises:
      InputError: the sidecar is missing, or does not describe a depth file of this
        version.
    """
    file = path_of(path)
    if not path.is_file():
        raise InputError(f"{path}: no such depth file")
    try:
        meta = json.loads(file.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: its sidecar {file.name} is missing") from None
    except ValueError as error:
        raise InputError(f"{file}: not JSON: {error}") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise InputError(f"{file}: not the sidecar of a depth file ({FORMAT})")
    if meta.get("version") != VERSION:
        raise InputError(
            f"{file}: depth file version {meta.get('version')}, expected {VERSION}; "
            "make it again with --depth_only"
        )
    # Files of earlier versions do not have this field.
    per_frame = str(meta.get("model")).startswith("depth_anything")
    meta.setdefault("per_frame_scale", per_frame)
    if missing := [name for name in fields if name not in meta]:
        raise InputError(f"{file}: fields are missing: {', '.join(missing)}")
    if problems := list(_problems(meta)):
        raise InputError(f"{file} has {'; '.join(problems)}")
    return {
        name: tuple(meta[name]) if isinstance(meta[name], list) else meta[name]
        for name in fields
    }


def _problems(meta: dict[str, Any]) -> Iterator[str]:
    """Yields each contradiction between the fields."""
    frames, segments, times = meta["frames"], meta["segments"], meta["times_ms"]
    if meta["units"] not in UNITS:
        yield f"units {meta['units']!r}, not one of {UNITS}"
    if frames < 1:
        yield "no frames"
    edges = [0, *(s["stop"] for s in segments)]
    if [s["start"] for s in segments] != edges[:-1]:
        yield "segments that do not follow each other"
    if edges[-1] != frames:
        yield f"segments of {edges[-1]} frames, not {frames}"
    if not all(math.isfinite(s[end]) for s in segments for end in ("low", "high")):
        yield "ranges that are not finite"
    if len(times) != frames:
        yield f"{len(times)} frame times, not {frames}"
    if any(a >= b for a, b in itertools.pairwise(times)):
        yield "frame times that do not increase"
    if len(meta["crc32"]) != frames:
        yield f"{len(meta['crc32'])} checksums, not {frames}"

"""The JSON beside a depth file: where it lies, how it is written, what it must say."""

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stereojax.cli import InputError

FORMAT = "stereojax-depth"
VERSION = 1
UNITS = ("relative", "pixels")


def path_of(path: Path) -> Path:
    """Where the JSON of a depth file lies."""
    return path.with_suffix(".json")


def partial(path: Path) -> Path:
    """Where a file is written before it is renamed to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(path.name + ".partial")


def write(path: Path, meta: dict[str, Any]) -> None:
    """Writes the sidecar of the depth file `path`, whole or not at all."""
    file = path_of(path)
    beside = partial(file)
    beside.write_text(json.dumps(meta, indent=1, allow_nan=False) + "\n")
    beside.replace(file)


def read(path: Path, fields: list[str]) -> dict[str, Any]:
    """The `fields` of the sidecar of `path`, lists as tuples.

    Raises:
      InputError: it is missing, or does not describe a depth file of this version.
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
            f"{file}: version {meta.get('version')} of the depth file, where "
            f"{VERSION} is read; make it again with --depth_only"
        )
    # Absent from the files of earlier versions.
    per_frame = str(meta.get("model")).startswith("depth_anything")
    meta.setdefault("per_frame_scale", per_frame)
    if lacking := [name for name in fields if name not in meta]:
        raise InputError(f"{file}: fields are missing: {', '.join(lacking)}")
    if problems := list(_problems(meta)):
        raise InputError(f"{file} has {'; '.join(problems)}")
    return {
        name: tuple(meta[name]) if isinstance(meta[name], list) else meta[name]
        for name in fields
    }


def _problems(meta: dict[str, Any]) -> Iterator[str]:
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

"""Saves and loads a frame index, so that a second run need not decode the video."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from stereojax.stage_types import Color, Shot, VideoIndex, VideoInfo
from stereojax.storage.atomic import atomic_write

_VERSION = 1
_FRACTIONS = ("frame_rate", "time_base", "sample_aspect")


def save_index(index: VideoIndex, path: Path) -> None:
    """Writes the index as JSON, atomically; the video's folder is not stored."""
    info = dataclasses.asdict(index.info)
    info["path"] = info["path"].name
    for name in _FRACTIONS:
        info[name] = str(info[name])
    content = {
        "version": _VERSION,
        "info": info,
        "source_hash": index.source_hash,
        "last_duration": index.last_duration,
        "damaged": index.damaged,
        "shots": [[shot.start, shot.stop] for shot in index.shots],
        "keyframes": index.keyframes.tolist(),
        "pts": index.pts.tolist(),
    }
    with atomic_write(path) as part:
        part.write_text(json.dumps(content))


def load_index(path: Path, video_path: Path) -> VideoIndex:
    """Loads an index that `save_index` wrote for the video at `video_path`.

    Raises ValueError if the file is not an index, or one of another version.
    """
    try:
        content = json.loads(path.read_text())
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}, expected {_VERSION}")
        info = content["info"]
        info |= {name: Fraction(info[name]) for name in _FRACTIONS}
        info |= {"path": video_path, "color": Color(**info["color"])}
        return VideoIndex(
            info=VideoInfo(**info),
            source_hash=content["source_hash"],
            pts=np.array(content["pts"], np.int64),
            last_duration=content["last_duration"],
            damaged=content["damaged"],
            keyframes=np.array(content["keyframes"], np.int64),
            shots=tuple(
                Shot(i, start, stop) for i, (start, stop) in enumerate(content["shots"])
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not an index of a video: {error}") from error

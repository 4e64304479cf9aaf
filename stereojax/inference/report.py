"""The report OUTPUT.json: inputs, settings, versions, timings and comfort warnings."""

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stereojax.inference.disparity_statistics import Statistics, comfort
from stereojax.stage_types import VideoIndex
from stereojax.storage.atomic import read_json


def path_of(output: Path) -> Path:
    """Returns the path of an output's report."""
    return output.with_name(output.name + ".json")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that affect the pixels."""
    names = ("stereojax", "jax", "flax", "numpy", "av")
    packages = {name: importlib.metadata.version(name) for name in names}
    return packages | {"python": platform.python_version()}


def device() -> str:
    """Describes the devices of the run, as in "1 x NVIDIA H100 (gpu)"."""
    import jax

    kinds = sorted({d.device_kind for d in jax.devices()})
    return f"{jax.device_count()} x {', '.join(kinds)} ({jax.default_backend()})"


def is_complete(outputs: Sequence[Path], key: str) -> bool:
    """Returns whether all outputs are complete and their report has this `key`."""
    report = read_json(path_of(outputs[0]))
    return (
        isinstance(report, dict)
        and report.get("key") == key
        and all(p.is_file() for p in outputs)
        and report.get("bytes") == [p.stat().st_size for p in outputs]
    )


def is_preview(output: Path) -> bool:
    """Returns whether `output` is a preview, which a full film may replace."""
    report = read_json(path_of(output))
    return isinstance(report, dict) and report.get("preview") is not None


def shots_of(index: VideoIndex, by_shot: dict[int, Statistics]) -> list[dict[str, Any]]:
    """Returns one entry per shot: frames, seconds, disparity, holes, comfort."""
    seconds = (index.pts - index.pts[0]) * float(index.info.time_base)
    entries = []
    for shot in index.shots:
        summary = by_shot.get(shot.index, Statistics()).summary()
        entries.append(
            {
                "start": shot.start,
                "stop": shot.stop,
                "start_seconds": round(float(seconds[shot.start]), 3),
                **summary,
                "comfort": comfort(summary["disparity_percent_of_width"]),
            }
        )
    return entries

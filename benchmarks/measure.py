"""Times functions, describes the machine, formats tables and writes results."""

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from stereojax.storage.atomic import atomic_write

RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds per call. On a busy machine `best` and `cpu` are the most reliable."""

    best: float
    median: float
    cpu: float  # of all threads of this process; the minimum over the calls


def race(
    runners: dict[str, Callable[[], Any]], *, seconds: float = 3.0, rounds: int = 5
) -> dict[str, Timing]:
    """Times the runners in turns, so that other load affects all of them alike.

    Args:
      runners: functions that return arrays, which are waited for. Each is called once
        before the first round.
      seconds: time per runner after which no round begins, of at most 50.
      rounds: minimum number of rounds.
    """
    for run in runners.values():
        jax.block_until_ready(run())
    times = {name: ([], []) for name in runners}
    start = time.perf_counter()
    done = 0
    while done < rounds or (
        done < 50 and time.perf_counter() - start < seconds * len(runners)
    ):
        for name, run in runners.items():
            cpu, wall = time.process_time(), time.perf_counter()
            jax.block_until_ready(run())
            times[name][0].append(time.perf_counter() - wall)
            times[name][1].append(time.process_time() - cpu)
        done += 1
    return {
        name: Timing(min(wall), statistics.median(wall), min(cpu))
        for name, (wall, cpu) in times.items()
    }


def machine() -> dict[str, Any]:
    """Describes the machine and its packages."""
    device = jax.devices()[0]
    packages = {}
    for name in ("jax", "jaxlib", "flax", "numpy", "torch"):
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "device": device.device_kind,
        "platform": device.platform,
        "devices": jax.device_count(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": packages,
        "date": datetime.date.today().isoformat(),
    }


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def save(name: str, results: Any) -> Path:
    """Writes `RESULTS/name.json`: the machine and the results."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps({"machine": machine(), "results": results}, indent=1)
    with atomic_write(path) as part:
        part.write_text(text + "\n")
    return path


def table(rows: list[dict[str, Any]]) -> str:
    """Formats rows as aligned columns; an absent value is "-"."""
    head = list(dict.fromkeys(key for row in rows for key in row))
    cells = [head, *([_cell(row.get(key)) for key in head] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        for line in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""What data preparation costs, and what a second worker brings.

    python -m benchmarks.data_prep
    python -m benchmarks.data_prep --size 1024x576 --films 2 --frames 50

Rendered stereo films go through `python -m data_prep` from scratch: with one process,
and with two (each its own run of the command, so that start and end are counted).
Prints the ratio, seconds and bytes a frame of each stage, and the paper's 25 million
frames at that price; writes benchmarks/results/data_prep.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import measure
from stereojax.synthetic import make_film, write_film

PAPER_FRAMES = 25_000_000


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=4)
    parser.add_argument("--frames", type=int, default=50, help="of each film")
    parser.add_argument("--size", default="512x288", help="of films and records")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--input", type=Path, help="these films, and none rendered")
    parser.add_argument("--output", default="data_prep")
    flags = parser.parse_args(argv)
    width, height = (int(n) for n in flags.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        films = flags.input or render(
            Path(folder) / "films", flags.films, flags.frames, width, height
        )
        rows = [
            prepare(films, Path(folder) / f"out{n}", n, width, height)
            for n in (int(n) for n in flags.workers.split(","))
        ]
    print(
        measure.table([{k: r[k] for k in ("workers", "seconds", "kept")} for r in rows])
    )
    best = rows[-1]
    ratio = rows[0]["seconds"] / best["seconds"]
    print(f"{best['workers']} workers are {ratio:.2f} times as fast as one")
    costs = costs_of(rows[0])
    print(measure.table([costs]))
    print(measure.table([paper(costs)]))
    results = {
        "size": flags.size,
        "runs": rows,
        "a frame": costs,
        "paper": paper(costs),
    }
    print("written:", measure.save(flags.output, results | {"ratio": ratio}))


def render(folder: Path, films: int, frames: int, width: int, height: int) -> Path:
    """Stereo films of two shots each; other than any other."""
    for seed in range(films):
        film = make_film(seed, frames=frames, width=width, height=height, shots=2)
        write_film(film, folder / f"film{seed}").left.unlink()
    return folder


def prepare(
    films: Path, output: Path, workers: int, width: int, height: int
) -> dict[str, Any]:
    """One run of the command, its wall clock and its report."""
    command = [
        *(sys.executable, "-m", "data_prep", "--config=data_stereo"),
        *(f"--input={films}", f"--output={output}", f"--workers={workers}"),
        *(f"--config.width={width}", f"--config.height={height}"),
        "--config.shortest=8",
    ]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    start = time.perf_counter()
    job = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(job.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    report = json.loads((output / "report.json").read_text())
    stages: dict[str, float] = {}
    for film in report["films"]:
        for name, spent in film["seconds"].items():
            stages[name] = stages.get(name, 0.0) + spent
    return {
        "workers": workers,
        "seconds": seconds,
        "CPU seconds": usage.ru_utime + usage.ru_stime,
        "MB": usage.ru_maxrss / 1000,  # of the largest process
        "frames": report["counters"]["frames"],
        "kept": report["counters"]["kept_frames"],
        "bytes": sum(split["bytes"] for split in report["splits"].values()),
        "stages": stages,
    }


def costs_of(run: dict[str, Any]) -> dict[str, float]:
    """Seconds of each stage by the clock, of all by the CPU, and kilobytes, a frame.

    The CPU's hold the command's start too; the clock's, what else the machine did.
    """
    each = {name: s / run["frames"] for name, s in run["stages"].items()}
    return {
        **each,
        "all": sum(each.values()),
        "CPU": run["CPU seconds"] / run["frames"],
        "kB": run["bytes"] / 1000 / run["kept"],
    }


def paper(costs: dict[str, float]) -> dict[str, float]:
    """The paper's 25 million frames; hours are of one worker."""
    tera = costs["kB"] * 1000 * PAPER_FRAMES / 1e12
    return {
        "frames": PAPER_FRAMES,
        "TB": tera,
        "shards of 1 GB": tera * 1000,
        "worker hours": costs["all"] * PAPER_FRAMES / 3600,
        "core hours": costs["CPU"] * PAPER_FRAMES / 3600,
        "of them matching": costs.get("match", 0.0) * PAPER_FRAMES / 3600,
    }


if __name__ == "__main__":
    main()

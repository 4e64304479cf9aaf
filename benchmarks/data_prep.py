"""Measures the cost of data preparation, and the speedup by a second worker.

    python -m benchmarks.data_prep
    python -m benchmarks.data_prep --size 1024x576 --films 2 --frames 50

Runs `python -m data_prep` on rendered stereo films, with one process and with two; each
run is a new command, so that its start and end are measured too. Prints the speedup,
CPU seconds by stage and bytes per frame, and the extrapolation to the paper's 25
million frames; writes benchmarks/results/data_prep.json.
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

PAPER_FRAMES, PAPER_SHOTS = 25_000_000, 180_000
PAPER_FILMS = 1000  # an assumption, with little effect on the result


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=4, help="number of rendered films")
    parser.add_argument("--frames", type=int, default=50, help="frames of each film")
    parser.add_argument(
        "--size", default="512x288", help="WIDTHxHEIGHT of films and records, pixels"
    )
    parser.add_argument("--workers", default="1,2", help="workers of each run")
    parser.add_argument(
        "--input", type=Path, help="folder of films to use instead of rendered ones"
    )
    parser.add_argument("--output", default="data_prep", help="name of the result file")
    flags = parser.parse_args(argv)
    width, height = (int(n) for n in flags.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        films = flags.input or render(
            Path(folder) / "films", flags.films, flags.frames, width, height
        )
        rows = [
            prepare(films, Path(folder) / f"out{n}", n, width, height)
            for n in (int(n) for n in flags.workers.split(",") if n)
        ]
        costs = costs_of(min(films.glob("*.mkv")), width, height)
    if rows:
        columns = ("workers", "seconds", "CPU seconds", "MB", "kept")
        print(measure.table([{key: row[key] for key in columns} for row in rows]))
        ratio = rows[0]["seconds"] / rows[-1]["seconds"]
        print(f"speedup by {rows[-1]['workers']} workers: {ratio:.2f}")
    print(measure.table([costs]))
    print(measure.table([paper(costs)]))
    results = {"size": flags.size, "runs": rows}
    results |= {"costs": costs, "paper": paper(costs)}
    print("written:", measure.save(flags.output, results))


def render(folder: Path, films: int, frames: int, width: int, height: int) -> Path:
    """Renders stereo films of two shots each, with different seeds."""
    for seed in range(films):
        film = make_film(seed, frames=frames, width=width, height=height, shots=2)
        write_film(film, folder / f"film{seed}").left.unlink()
    return folder


def prepare(
    films: Path, output: Path, workers: int, width: int, height: int
) -> dict[str, Any]:
    """Runs the command once; returns its time, its memory and its counters."""
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
    return {
        "workers": workers,
        "seconds": seconds,
        "CPU seconds": usage.ru_utime + usage.ru_stime,
        "MB": usage.ru_maxrss / 1000,  # peak memory of the largest process
        "frames": report["counters"]["frames"],
        "kept": report["counters"]["kept_frames"],
    }


def costs_of(film: Path, width: int, height: int) -> dict[str, float]:
    """Returns the costs that `benchmarks.data_price` prints."""
    command = [sys.executable, "-m", "benchmarks.data_price", f"--film={film}"]
    command += [f"--width={width}", f"--height={height}"]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        command, check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def paper(costs: dict[str, float]) -> dict[str, float]:
    """Extrapolates to the paper's dataset: frames, shots, and a thousand films."""
    seconds = PAPER_FRAMES * sum(
        spent
        for name, spent in costs.items()
        if name not in ("parallax", "layout", "kB")
    )
    seconds += PAPER_SHOTS * costs.get("parallax", 0.0)
    seconds += PAPER_FILMS * costs.get("layout", 0.0)
    tera = costs["kB"] * 1000 * PAPER_FRAMES / 1e12
    return {
        "frames": PAPER_FRAMES,
        "TB": tera,
        "shards of 1 GB": tera * 1000,
        "core hours": seconds / 3600,
        "of them matching": costs.get("match", 0.0) * PAPER_FRAMES / 3600,
    }


if __name__ == "__main__":
    main()

"""What data preparation costs, and what a second worker brings.

    python -m benchmarks.data_prep
    python -m benchmarks.data_prep --size 1024x576 --films 2 --frames 50

Rendered stereo films go through `python -m data_prep` from scratch: with one process,
and with two (each its own run of the command, so that start and end are counted).
Prints the ratio, CPU seconds and bytes a frame of each stage, and the paper's 25
million frames at that price; writes benchmarks/results/data_prep.json.
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
PAPER_FILMS = 1000  # a guess; it hardly counts


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
            for n in (int(n) for n in flags.workers.split(",") if n)
        ]
        costs = costs_of(min(films.glob("*.mkv")), width, height)
    if rows:
        shown = ("workers", "seconds", "CPU seconds", "MB", "kept")
        print(measure.table([{key: row[key] for key in shown} for row in rows]))
        ratio = rows[0]["seconds"] / rows[-1]["seconds"]
        print(f"{rows[-1]['workers']} workers: {ratio:.2f} times as fast as the first")
    print(measure.table([costs]))
    print(measure.table([paper(costs)]))
    results = {"size": flags.size, "runs": rows}
    results |= {"costs": costs, "paper": paper(costs)}
    print("written:", measure.save(flags.output, results))


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
    return {
        "workers": workers,
        "seconds": seconds,
        "CPU seconds": usage.ru_utime + usage.ru_stime,
        "MB": usage.ru_maxrss / 1000,  # of the largest process
        "frames": report["counters"]["frames"],
        "kept": report["counters"]["kept_frames"],
    }


def costs_of(film: Path, width: int, height: int) -> dict[str, float]:
    """CPU seconds of each stage and kilobytes, as `benchmarks.data_price` says them."""
    command = [sys.executable, "-m", "benchmarks.data_price", f"--film={film}"]
    command += [f"--width={width}", f"--height={height}"]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        command, check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def paper(costs: dict[str, float]) -> dict[str, float]:
    """The paper's 25 million frames in 180 thousand shots, of a thousand films."""
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

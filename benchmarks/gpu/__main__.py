"""Measures splats, attention, convolutions and networks on a GPU, in five minutes.

    python -m benchmarks.gpu

Needs only jax, flax and numpy. Prints a table for each item and writes
benchmarks/results/gpu_PLATFORM.json after each, so that results are kept if a later
item fails. An item that cannot run prints the reason. On a CPU (or with --small) shapes
are tiny, which tests the script and not the machine.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import jax

from benchmarks import measure
from benchmarks.gpu.items import ITEMS, Skip
from stereojax.cli import line_of
from stereojax.splat import choose
from stereojax.splat.workloads import SIZES


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="measure tiny shapes")
    parser.add_argument(
        "--items", default=",".join(ITEMS), help="items to measure, comma-separated"
    )
    parser.add_argument(
        "--seconds", type=float, default=280.0, help="time limit in seconds"
    )
    flags = parser.parse_args(argv)
    small = flags.small or jax.default_backend() == "cpu"
    stop = time.monotonic() + flags.seconds
    name = f"gpu_{jax.default_backend()}{'_small' if small else ''}"
    print(measure.machine())
    print("splat:", choose((25, *SIZES["1080p"], 3)))
    results: dict[str, Any] = {}
    for item in flags.items.split(","):
        results[item] = run(item, small, stop)
        path = measure.save(name, results)
    print("written:", path)


def run(item: str, small: bool, stop: float) -> dict[str, Any]:
    """Measures one item; returns its rows and a note if it did not finish."""
    print(f"\n{item}: {ITEMS[item].__doc__}")
    rows, note, start = [], None, time.monotonic()
    try:
        for row in ITEMS[item](small):
            rows.append(row)
            if time.monotonic() > stop:
                note = "stopped: out of time"
                break
    except Skip as reason:
        note = f"skipped: {reason}"
    except Exception as error:
        note = f"failed: {line_of(error)[:320]}"
    if rows:
        print(measure.table(rows))
    if note:
        print(note)
    return {"rows": rows, "note": note, "seconds": time.monotonic() - start}


if __name__ == "__main__":
    main()

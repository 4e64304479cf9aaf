"""Measures the time of a splat: each implementation and compositing, and peers.

    python -m benchmarks.splat --sizes 540p,1080p --ranges 20

Prints a table and writes benchmarks/results/splat_PLATFORM.json. `roofline` is the
share of the time that moving each byte once would take at this device's copy speed: a
frame's colours and disparity in, colours and occlusion out, 32 bytes a pixel. `temp_MB`
is the memory that the compiled program needs in addition to inputs and outputs. The
peers, in PyTorch, NumPy and CUDA, splat by the published formula.
"""

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measure, splat_peers
from stereojax.splat import choose, forward_splat
from stereojax.splat.implementations import IMPLEMENTATIONS, PLATFORMS
from stereojax.splat.workloads import RANGES, SIZES, scene

MORE_SIZES = {"540p": (540, 960)} | SIZES
COMPOSITINGS = ("published", "coverage")
BYTES = 32  # read and written per pixel
PEER = "PyTorch scatter_add_, planar"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--sizes", default=",".join(SIZES), help=f"frame sizes from {[*MORE_SIZES]}")
    ranges = ",".join(map(str, RANGES))
    add("--ranges", default=ranges, help="disparity ranges in pixels")
    add("--frames", type=int, help="frames per call; default 1, on a GPU 16")
    add("--seconds", type=float, default=3.0, help="measuring time of each row")
    default = f"splat_{jax.default_backend()}"
    add("--output", default=default, help="name of the result file")
    flags = parser.parse_args(argv)
    frames = flags.frames or (1 if jax.default_backend() == "cpu" else 16)
    rows = []
    for size in flags.sizes.split(","):
        for pixels in map(int, flags.ranges.split(",")):
            rows += compare(MORE_SIZES[size], pixels, frames, flags.seconds, size=size)
    print(measure.table(rows))
    for row in rows:
        if is_default(row):
            print(verdict(rows, row))
    print("written:", measure.save(flags.output, rows))


def compare(
    shape: tuple[int, int],
    pixels: int,
    frames: int,
    seconds: float,
    size: str,
    peers: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Returns a row per implementation, compositing and peer, on the same frames."""
    # Three rendered frames are repeated, because rendering is slow.
    image, disparity = (
        np.resize(x, (frames, *x.shape[1:]))
        for x in scene((min(frames, 3), *shape), 0, pixels)
    )
    ours = runners(jnp.asarray(image), jnp.asarray(disparity))
    others, missing = splat_peers.peers(image, disparity, peers)
    timings = measure.race(ours | others, seconds=seconds)
    copied = copy_speed(image.size * 4)
    defaults = {c: choose(image.shape, compositing=c) for c in COMPOSITINGS}
    head = {"size": size, "range": pixels, "frames": frames}
    rows = []
    for name, timing in timings.items():
        per_frame = timing.best / frames
        sources = shape[0] * shape[1]
        implementation, _, compositing = name.partition(", ")
        if name not in ours:
            implementation, compositing = name, "published"
        row = head | {
            "implementation": implementation,
            "compositing": compositing,
            "ms": per_frame * 1e3,
            "cpu_ms": timing.cpu / frames * 1e3,
            "Mpx/s": sources / per_frame / 1e6,
            "roofline": BYTES * sources / copied / per_frame,
        }
        if name in ours:
            row["repeatable"] = repeatable(ours[name])
            row["temp_MB"] = temporary(ours[name]) / 1e6
            default = defaults[compositing]
            if implementation == default.implementation:
                row["note"] = f"default ({default.reason})"
        rows.append(row)
    for name, reason in missing.items():
        rows.append(head | {"implementation": name, "note": reason})
    return rows


def is_default(row: dict[str, Any]) -> bool:
    return row.get("note", "").startswith("default")


def runners(image: jax.Array, disparity: jax.Array) -> dict[str, splat_peers.Runner]:
    """Returns a runner for each "implementation, compositing"."""
    return {
        f"{name}, {compositing}": functools.partial(
            jitted(name, compositing), image, disparity
        )
        for name in available()
        for compositing in COMPOSITINGS
    }


@functools.cache
def jitted(implementation: str, compositing: str) -> Callable:
    """Returns one cached function, so that another range needs no compilation."""
    return jax.jit(
        functools.partial(
            forward_splat, implementation=implementation, compositing=compositing
        )
    )


def temporary(run: functools.partial) -> int:
    """Returns the bytes that a runner's program needs besides inputs and outputs."""
    return run.func.lower(*run.args).compile().memory_analysis().temp_size_in_bytes


def available() -> list[str]:
    """Returns the implementations of this backend that `choose` does not replace."""
    backend = jax.default_backend()
    return [
        name
        for name in IMPLEMENTATIONS
        if PLATFORMS.get(name, backend) == backend
        and choose((1, 1, 3), wanted=name).implementation == name
    ]


def repeatable(run: splat_peers.Runner, times: int = 5) -> bool:
    """Returns whether each run gives the same bits."""
    first = jax.tree.leaves(run())
    return all(
        bool(same_bits(x, y))
        for _ in range(times - 1)
        for x, y in zip(first, jax.tree.leaves(run()), strict=True)
    )


@jax.jit
def same_bits(x: jax.Array, y: jax.Array) -> jax.Array:
    bits = (jax.lax.bitcast_convert_type(array, jnp.uint32) for array in (x, y))
    return jnp.array_equal(*bits)


def copy_speed(size: int) -> float:
    """Returns bytes a second, read plus written, of a large copy on this device."""
    plain = jnp.zeros(max(size, 1 << 24) // 4, jnp.float32)
    copy = jax.jit(lambda x: x + 1)
    timing = measure.race({"copy": lambda: copy(plain)}, seconds=0.5)["copy"]
    return 2 * plain.nbytes / timing.best


def verdict(rows: list[dict[str, Any]], ours: dict[str, Any]) -> str:
    """Compares one of our rows with the best PyTorch one, in a line."""
    keys = ("size", "range", "frames")
    for row in rows:
        same = all(row[key] == ours[key] for key in keys)
        if same and row["implementation"] == PEER and "ms" in row:
            return (
                f"{ours['size']}, {ours['range']} px: {ours['implementation']} "
                f"({ours['compositing']}) is "
                f"{row['ms'] / ours['ms']:.2f} times as fast as {PEER}"
                f" ({row['cpu_ms'] / ours['cpu_ms']:.2f} by CPU time)"
            )
    return f"{ours['size']}, {ours['range']} px: no {PEER} to compare with"


if __name__ == "__main__":
    main()

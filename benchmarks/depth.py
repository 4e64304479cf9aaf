"""Measures seconds per frame and memory of each depth model at 1080p.

    python -m benchmarks.depth [--models=NAME,NAME]

Weights are random, which affects neither. Each model runs in a process of its own.
The memory includes start and compilation, the time does not. Video models are timed
over their second window, which has 22 new frames.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
from absl import flags

from benchmarks.measure import save, table
from stereojax import cli
from stereojax.depth.video_depth_windows import FADE_START, STEP

HEIGHT, WIDTH = 1080, 1920
PER_FRAME = (2, 4)  # frames of warm-up and timed frames, for per-frame models

_MODELS = flags.DEFINE_list(
    "models",
    ["depth_anything_v2_small", "video_depth_anything_small", "tcmonodepth_small"],
    "depth models to measure, by their names in --depth_model of infer",
)
_ONE = flags.DEFINE_string(
    "one", None, "single model to measure in this process; prints JSON"
)


def estimator(name: str) -> Any:
    """Returns the estimator `name` with random weights."""
    from flax import nnx

    from stereojax.depth.depth_anything import DepthAnything
    from stereojax.depth.networks import (
        depth_anything_v2,
        tcmonodepth,
        video_depth_anything,
    )
    from stereojax.depth.tcmonodepth import TCMonoDepth
    from stereojax.depth.video_depth import VideoDepth

    rngs = nnx.Rngs(0)
    if sizes := video_depth_anything.PRESETS.get(name):
        network = video_depth_anything.VideoDepthAnything(sizes, rngs=rngs)
        return VideoDepth(network, name=name, licence="random")
    if sizes := depth_anything_v2.PRESETS.get(name):
        network = depth_anything_v2.DepthAnythingV2(sizes, rngs=rngs)
        return DepthAnything(network, name=name, licence="random")
    if sizes := tcmonodepth.PRESETS.get(name):
        network = tcmonodepth.TCMonoDepthNetwork(sizes, rngs=rngs)
        return TCMonoDepth(network, name=name, licence="random")
    raise cli.InputError(f"--models={name}: expected a Depth Anything or TCMonoDepth")


def measure(name: str) -> dict[str, Any]:
    """Measures seconds and processor seconds per frame, in this process."""
    model = estimator(name)
    warm, timed = PER_FRAME if model.per_frame else (FADE_START, STEP)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    depths = model.estimate(itertools.repeat(frame))
    for _ in range(warm):
        next(depths)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(timed):
        depth = next(depths)
    return {
        "model": name,
        "seconds": (time.perf_counter() - wall) / timed,
        "processor_seconds": (time.process_time() - processor) / timed,
        "size": f"{depth.shape[1]}x{depth.shape[0]}",
    }


def in_a_process(name: str) -> dict[str, Any]:
    """Measures in a new process, whose peak memory is then the model's."""
    command = [sys.executable, "-m", "benchmarks.depth", f"--one={name}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise cli.RunError(f"{name}: the measuring process failed")
    return json.loads(output) | {"peak_gb": usage.ru_maxrss / 1e6}


def run() -> None:
    if _ONE.value:
        print(json.dumps(measure(_ONE.value)))
        return
    rows = [in_a_process(name) for name in _MODELS.value]
    print(table(rows))
    print(f"wrote {save('depth', rows)}")


if __name__ == "__main__":
    cli.main(run)

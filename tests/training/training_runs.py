"""Runs of the whole program, as other processes; and what they train on."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from stereojax.records import Provenance, encode_record, to_example
from stereojax.records.tfrecord import TFRecordWriter
from stereojax.splat.workloads import scene

CONFIG = str(Path(__file__).parent / "run_config.py")


def command(workdir: Path, data: Path | None, *flags: str) -> list[str]:
    given = [f"--data={data}"] if data else []
    return [
        *(sys.executable, "-m", "stereojax.train"),
        *(f"--config={CONFIG}", f"--workdir={workdir}", *given, *flags),
    ]


def environment(place: Path, devices: int = 1) -> dict[str, str]:
    """Compiled quickly, and once for each number of devices."""
    flags = (
        f"--xla_force_host_platform_device_count={devices}",
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    )
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(place / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "STEREOJAX_CACHE": str(place / "cache"),
        "XLA_FLAGS": " ".join(flags),
    }


def write_data(folder: Path) -> Path:
    """Five records of discs before ground to train on, and two held out."""
    folder.mkdir()
    splits = []
    for split, count in (("train", 5), ("validation", 2)):
        file = folder / f"pairs-{split}.tfrecord-00000-of-00001"
        with TFRecordWriter(file) as writer:
            for i in range(count):
                left, disparity = scene((6, 16, 32), -2, 6, seed=i + 10 * len(split))
                right, _ = scene((6, 16, 32), -2, 6, seed=i + 99)
                views = (np.rint(255 * v).astype(np.uint8) for v in (left, right))
                origin = Provenance(
                    f"film {split} {i}", f"{i:032x}", "stereo", 0, 0, 24.0, "sgbm",
                    0.0, 30.0, 0.5,
                )  # fmt: skip
                writer.write(to_example(encode_record(*views, disparity, origin)))
        splits.append(
            {
                "name": split,
                "shardLengths": [str(count)],
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
        )
    info = {"name": "pairs", "fileFormat": "tfrecord", "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


def rows(workdir: Path) -> list[dict]:
    file = workdir / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):  # being written
            found.append(json.loads(line))
    return found


def run(arguments: list[str], environment: dict, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=900, **more
    )


def refused(done: subprocess.CompletedProcess, code: int, *parts: str) -> None:
    """It ended with that code, and one line last that has these parts."""
    assert done.returncode == code, done.stderr
    last = [line for line in done.stderr.splitlines() if line.strip()][-1]
    assert last.startswith("error: "), done.stderr
    assert done.stderr.count("error: ") == 1 and "Traceback" not in done.stderr
    for part in parts:
        assert part in last

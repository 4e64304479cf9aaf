"""Starts `stereojax.train` in subprocesses, and writes a small dataset for it."""

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
    data_flags = [f"--data={data}"] if data else []
    return [
        *(sys.executable, "-m", "stereojax.train"),
        *(f"--config={CONFIG}", f"--workdir={workdir}", *data_flags, *flags),
    ]


def environment(root: Path, devices: int = 1) -> dict[str, str]:
    """Returns an environment with fast compilation and a shared compilation cache."""
    flags = (
        f"--xla_force_host_platform_device_count={devices}",
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    )
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(root / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "STEREOJAX_CACHE": str(root / "cache"),
        "XLA_FLAGS": " ".join(flags),
    }


def write_data(folder: Path) -> Path:
    """Writes five training records and two validation records of moving discs."""
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
    complete = []
    for line in lines:
        with contextlib.suppress(ValueError):  # the run is writing the last line
            complete.append(json.loads(line))
    return complete


def run(
    arguments: list[str], environment: dict, **options
) -> subprocess.CompletedProcess:
    return subprocess.run(
        arguments,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        **options,
    )


def assert_refused(done: subprocess.CompletedProcess, code: int, *parts: str) -> None:
    """Checks the exit code, and that the last line is the only error and its parts."""
    assert done.returncode == code, done.stderr
    last = [line for line in done.stderr.splitlines() if line.strip()][-1]
    assert last.startswith("error: "), done.stderr
    assert done.stderr.count("error: ") == 1 and "Traceback" not in done.stderr
    for part in parts:
        assert part in last

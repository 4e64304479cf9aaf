"""A run with its folder, data and initial weights in a bucket: files and errors."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bucket_server
import numpy as np
import orbax.checkpoint as ocp
import pytest
import run_config

from stereojax import weights
from stereojax.records import Provenance, encode_record, to_example
from stereojax.records.tfrecord import TFRecordWriter
from stereojax.settings.fields import make_settings
from stereojax.settings.train import TrainSettings
from stereojax.splat.workloads import scene
from stereojax.svd.clip import TINY_CLIP
from stereojax.training import initial_model
from stereojax.weights.names import unflatten

CONFIG = str(Path(__file__).parent / "run_config.py")
FLAGS = (
    "--config.train.steps=6",
    "--config.train.checkpoint_every=3",
    "--config.train.image_encoder=svd/image_encoder",
)


@pytest.fixture(scope="module")
def bucket(inputs):
    """Serves gs://bucket with the files of `inputs`, and a read-only bucket."""
    with bucket_server.serve("bucket", bucket_server.READ_ONLY) as store:
        for file in inputs.rglob("*"):
            if file.is_file():
                name = str(file.relative_to(inputs))
                store.put("bucket", name, file.read_bytes())
        yield store


@pytest.fixture(scope="module")
def environment(bucket, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("machine")
    flags = (
        "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    )
    local = {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "STEREOJAX_CACHE": str(folder / "cache"),
        "XLA_FLAGS": flags,
    }
    return os.environ | local | bucket.environment


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """Writes data/ (two training records, one held out) and random weights."""
    root = tmp_path_factory.mktemp("inputs")
    folder = root / "data"
    folder.mkdir()
    splits = []
    for split, count in (("train", 2), ("validation", 1)):
        with TFRecordWriter(folder / f"pairs-{split}.tfrecord-00000-of-00001") as file:
            for i in range(count):
                left, disparity = scene((6, 16, 32), -2, 6, seed=i + 10 * len(split))
                views = [np.rint(255 * left).astype(np.uint8)] * 2
                origin = Provenance(
                    f"{split} {i}", f"{i:032x}", "stereo", 0, 0, 24.0, "sgbm",
                    0.0, 30.0, 0.5,
                )  # fmt: skip
                file.write(to_example(encode_record(*views, disparity, origin)))
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        splits.append(
            {"name": split, "shardLengths": [str(count)], "filepathTemplate": template}
        )
    info = {"name": "pairs", "fileFormat": "tfrecord", "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))

    settings = run_config.get_config().train.to_dict() | {"seed": 7}
    initial = initial_model.load_initial_model(
        make_settings(TrainSettings, settings, ""), root=root
    )
    for name, prefix, network, sizes in (
        ("part", "unet", initial_model.UNET, initial.sizes),
        (
            "root/svd/image_encoder",
            "image_encoder",
            initial_model.IMAGE_ENCODER,
            dataclasses.asdict(TINY_CLIP),
        ),
    ):
        config = {"class": network, "sizes": sizes, "source": "random"}
        weights.save(root / name, config, unflatten(initial.arrays, prefix + "."))
    return root


def command(workdir: str | Path, inputs: str | Path) -> list[str]:
    return [
        *(sys.executable, "-m", "stereojax.train", f"--config={CONFIG}", *FLAGS),
        *(f"--workdir={workdir}", f"--data={inputs}/data"),
        *(f"--weights_dir={inputs}/root", f"--init_from={inputs}/part"),
    ]


def run(arguments: list[str], environment: dict) -> subprocess.CompletedProcess:
    return subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=300
    )


def kill_when(
    condition: Callable[[], bool], arguments: list, environment: dict
) -> None:
    process = subprocess.Popen(
        arguments, env=environment, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None and not condition():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGKILL, errors


@pytest.fixture(scope="module")
def local(tmp_path_factory, inputs, environment) -> Path:
    """The folder of a local run."""
    workdir = tmp_path_factory.mktemp("local") / "run"
    done = run(command(workdir, inputs), environment)
    assert done.returncode == 0, done.stderr
    return workdir


@pytest.fixture(scope="module")
def remote(tmp_path_factory, bucket, environment) -> Path:
    """A copy of the folder of a run in a bucket, which was killed and resumed."""
    arguments = command("gs://bucket/runs/first", "gs://bucket")

    def third_is_complete() -> bool:
        return "3/commit_success.txt" in bucket.files("bucket/runs/first/checkpoints")

    kill_when(third_is_complete, arguments, environment)
    # An incomplete checkpoint: all files but the marker of a complete one.
    for name, content in bucket.files("bucket/runs/first/checkpoints/3").items():
        if name != "commit_success.txt":
            bucket.put("bucket", f"runs/first/checkpoints/5/{name}", content)
    done = run(arguments, environment)
    assert done.returncode == 0, done.stderr
    assert "resuming from step 3" in done.stderr
    folder = tmp_path_factory.mktemp("remote")
    for name, content in bucket.files("bucket/runs/first").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def rows(workdir: Path) -> list[tuple]:
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    parsed = [json.loads(line) for line in lines]
    return [(r["step"], r["loss"], r["gradient_norm"]) for r in parsed]


def files(workdir: Path) -> set[str]:
    """Returns the names of all files but TensorBoard's and Orbax's."""
    names = (str(p.relative_to(workdir)) for p in workdir.rglob("*") if p.is_file())
    return {n for n in names if not n.startswith(("tensorboard/", "checkpoints/"))}


def test_a_run_in_a_bucket_writes_the_files_of_a_local_run(local, remote):
    assert files(remote) == files(local)
    assert rows(remote) == rows(local)
    assert [r[0] for r in rows(remote)] == [1, 2, 3, 4, 5, 6]
    for name in files(local):
        if name.startswith("diffusers/"):
            assert (remote / name).read_bytes() == (local / name).read_bytes(), name
    digests = [weights.fingerprint(w / "weights/unet") for w in (local, remote)]
    assert digests[0] == digests[1]
    weights.load(remote / "weights/unet")
    starts = [*(remote / "tensorboard").glob("events*")]
    assert len(starts) == 2 and all(p.stat().st_size > 1000 for p in starts)


def test_a_checkpoint_in_a_bucket_equals_a_local_one(local, remote):
    states = []
    for workdir in (local, remote):
        steps = sorted(p.name for p in (workdir / "checkpoints").iterdir())
        assert steps == ["3", "6"]
        with ocp.StandardCheckpointer() as checkpointer:
            folder = (workdir / "checkpoints/6/default").absolute()
            states.append(checkpointer.restore(folder))
    flat = [ocp.tree.to_flat_dict(state) for state in states]
    assert flat[0].keys() == flat[1].keys() and len(flat[0]) > 100
    for name, array in flat[0].items():
        np.testing.assert_array_equal(array, flat[1][name], err_msg=str(name))


def test_errors_are_one_line(bucket, inputs, environment, tmp_path):
    (tmp_path / "gcsfs.py").write_text("raise ImportError('No module named gcsfs')")
    without = environment | {"PYTHONPATH": str(tmp_path)}
    for workdir, where, code, part in (
        ("gs://nowhere/run", environment, 2, "bucket nowhere does not exist"),
        ("gs://forbidden/run", environment, 2, "cannot access bucket forbidden"),
        ("gs://read-only/run", environment, 1, "storage.objects.create access"),
        ("gs://bucket/run", without, 2, "pip install 'stereojax[gcs]'"),
        ("s3://bucket/run", environment, 2, "mount a bucket of another kind"),
        ("gs://", environment, 2, "expected a folder, or gs://BUCKET/FOLDER"),
    ):
        done = run(command(workdir, inputs), where)
        assert done.returncode == code, done.stderr
        (line,) = [x for x in done.stderr.splitlines() if "error" in x.lower()]
        assert line.startswith(f"error: --workdir={workdir}: ") and part in line
        assert "Traceback" not in done.stderr
    assert not bucket.files(bucket_server.READ_ONLY)

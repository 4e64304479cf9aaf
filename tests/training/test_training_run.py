"""Complete runs: killed, preempted, moved to other devices, refused, exported."""

import contextlib
import dataclasses
import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import diffusers
import numpy as np
import orbax.checkpoint as ocp
import pytest
import run_config
import torch
import training_runs
from training_runs import assert_refused, command, rows, run, write_data

from stereojax import weights
from stereojax.settings.fields import make_settings
from stereojax.settings.train import TrainSettings
from stereojax.training import initial_model
from stereojax.training.input.pipeline import sample_order


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def environment(root):
    return functools.partial(training_runs.environment, root)


@pytest.fixture(scope="module")
def data(root) -> Path:
    return write_data(root / "data")


def run_until(step: int, number: int, arguments: list[str], environment: dict) -> tuple:
    """Sends a signal to the process group after a row of `step` and a checkpoint.

    Returns (exit code, errors).
    """
    workdir = Path(next(a for a in arguments if "--workdir" in a).partition("=")[2])
    process = subprocess.Popen(
        arguments,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 300
    while (
        time.monotonic() < until
        and process.poll() is None
        and not (
            (rows(workdir) or [{"step": 0}])[-1]["step"] >= step
            # Orbax's folders have a longer name until they are complete.
            and any(p.name.isdigit() for p in (workdir / "checkpoints").glob("*"))
        )
    ):
        time.sleep(0.02)
    with contextlib.suppress(
        ProcessLookupError
    ):  # it has failed; the caller prints the errors
        os.killpg(process.pid, number)
    errors = process.communicate(timeout=300)[1]
    return process.returncode, errors


def curve(workdir: Path) -> list[tuple]:
    return [(r["step"], r["loss"], r["gradient_norm"]) for r in rows(workdir)]


@pytest.fixture(scope="module")
def complete(root, data, environment) -> Path:
    """The folder of an uninterrupted run."""
    workdir = root / "complete"
    done = run(command(workdir, data), environment())
    assert done.returncode == 0, done.stderr
    return workdir


def test_a_run_writes_rows_checkpoints_and_events(complete):
    written = rows(complete)
    assert [r["step"] for r in written] == list(range(1, 41))
    assert {"loss", "gradient_norm", "learning_rate", "samples_per_second"} <= set(
        written[-1]
    )
    assert np.ptp([r["loss"] for r in written]) > 0.01
    # Of the checkpoints at every seventh step and the last, the newest two.
    assert sorted(int(p.name) for p in (complete / "checkpoints").glob("[0-9]*")) == [
        35,
        40,
    ]
    assert list((complete / "tensorboard").glob("events*"))


def test_a_killed_and_preempted_run_equals_an_uninterrupted_one(
    complete, root, data, environment
):
    workdir = root / "killed"
    # Between two checkpoints or at one, and far from the end of the run.
    first, second = map(int, np.random.default_rng().integers([8, 15], [15, 22]))
    arguments = command(workdir, data)
    code, _ = run_until(first, signal.SIGKILL, arguments, environment())
    assert code == -signal.SIGKILL
    code, errors = run_until(second, signal.SIGTERM, arguments, environment())
    assert code == 0, errors
    assert "stopped by a signal: step" in errors and "resuming from step" in errors
    done = run(arguments, environment())
    assert done.returncode == 0, done.stderr
    # It resumes from the step that SIGTERM saved: no step is lost or repeated.
    saved = int(errors.split("stopped by a signal: step ")[1].split()[0])
    assert f"resuming from step {saved}" in done.stderr
    assert curve(workdir) == curve(complete), (first, second)
    assert weights.fingerprint(workdir / "weights" / "unet") == weights.fingerprint(
        complete / "weights" / "unet"
    )


def test_worker_processes_survive_a_signal_to_their_group(root, data, environment):
    workdir = root / "group"
    flags = (
        "--config.train.workers=2",
        "--config.train.steps=100000",
        "--preempted_exit_code=75",
    )
    code, errors = run_until(
        8, signal.SIGTERM, command(workdir, data, *flags), environment()
    )
    assert code == 75, errors
    # No warning follows, such as one about the workers' shared memory.
    assert errors.splitlines()[-1].startswith("stopped by a signal")
    saved = int(errors.split("stopped by a signal: step ")[1].split()[0])
    assert (workdir / "checkpoints" / str(saved)).is_dir()


def test_a_run_resumes_on_other_devices(complete, root, data, environment):
    workdir = root / "moved"
    shutil.copytree(complete, workdir)
    # The state of the folder after step 35.
    shutil.rmtree(workdir / "checkpoints" / "40")
    done = run(command(workdir, data, "--config.train.fsdp=2"), environment(2))
    assert done.returncode == 0, done.stderr
    assert "'fsdp': 2" in done.stderr and "resuming from step 35" in done.stderr
    moved, stayed = np.array(curve(workdir)), np.array(curve(complete))
    assert len(moved) == 40
    np.testing.assert_array_equal(moved[:35], stayed[:35])
    np.testing.assert_allclose(moved[35:, 1], stayed[35:, 1], rtol=1e-3)


def test_only_trainable_parameters_change(complete, root, data, environment):
    """Compares with a run of one step at a learning rate of zero."""
    workdir = root / "initial"
    flags = ("--config.train.steps=1", "--config.train.learning_rate=0")
    done = run(command(workdir, data, *flags), environment())
    assert done.returncode == 0, done.stderr
    _, initial = weights.load(workdir / "weights" / "unet")
    _, final = weights.load(complete / "weights" / "unet")
    temporal = (
        "temporal_res_block",
        "temporal_transformer_blocks",
        "time_pos_embed",
        "time_mixer",
    )
    flat = [flatten(tree) for tree in (initial, final)]
    # The export takes frozen parameters from the initial model, so check the state too.
    frozen = [state_of(complete, step)["frozen"] for step in (35, 40)]
    assert frozen[0].keys() == frozen[1].keys() and len(frozen[0]) > 40
    for name, x in frozen[0].items():
        np.testing.assert_array_equal(x, frozen[1][name], err_msg=name)
        rounded = flat[0][name.removeprefix("unet.")].astype(x.dtype)
        np.testing.assert_array_equal(x, rounded, err_msg=name)
    settings = make_settings(TrainSettings, run_config.get_config().train.to_dict(), "")
    assert settings.frozen_dtype == "bfloat16"  # and yet the export is not rounded
    loaded = initial_model.load_initial_model(settings, root=root).arrays
    assert flat[0].keys() == flat[1].keys() and len(flat[0]) > 100
    for name, before in flat[0].items():
        if ".transformer_blocks.0.norm2." in name:
            continue  # without a gradient, as there is a single context token
        same = np.array_equal(before, flat[1][name])
        assert same == any(part in name for part in temporal), name
        if same:
            expected = loaded[f"unet.{name}"].astype(np.float32)
            np.testing.assert_array_equal(before, expected, err_msg=name)


def state_of(workdir: Path, step: int) -> dict:
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(workdir / "checkpoints" / str(step) / "default")


def flatten(tree: dict, prefix: str = "") -> dict[str, np.ndarray]:
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def test_diffusers_loads_the_export(complete):
    model = diffusers.UNetSpatioTemporalConditionModel.from_pretrained(
        complete / "diffusers" / "unet"
    )
    assert model.config.in_channels == 25
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    kernel = flatten(weights.load(complete / "weights" / "unet")[1])["conv_in.kernel"]
    np.testing.assert_array_equal(
        model.conv_in.weight.detach().numpy().transpose(2, 3, 1, 0), kernel
    )


def test_a_run_starts_from_the_result_of_another(complete, root, data, environment):
    """It also validates with the sampler and writes an image."""
    workdir = root / "after"
    flags = (
        f"--init_from={complete}",
        "--config.train.steps=3",
        "--config.train.learning_rate=0",
        "--config.train.weight_decay=0",
        "--config.train.validate_every=2",
        "--config.train.validation_scenes=2",
        "--config.train.validation_steps=3",
        "--config.train.remat=block",  # as at full size
    )
    done = run(command(workdir, data, *flags), environment())
    assert done.returncode == 0, done.stderr
    before, after = (
        flatten(weights.load(w / "weights" / "unet")[1]) for w in (complete, workdir)
    )
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)
    # A validated step is saved, as it may be the best one.
    assert (workdir / "checkpoints" / "2").is_dir()
    last = rows(workdir)[-1]
    assert last["val_lpips"] == "absent"
    assert 0 < last["val_psnr"] < 60 and -1 < last["val_ssim"] < 1
    assert last["val_psnr_background"] > 5
    assert list((workdir / "validation").glob("*.png"))


def test_any_checkpoint_can_be_exported(complete, root, data, environment):
    workdir = root / "earlier"
    shutil.copytree(complete, workdir)
    done = run(command(workdir, data, "--export_step=35"), environment())
    assert done.returncode == 0, done.stderr
    trained = state_of(complete, 35)["trainable"]
    folder = workdir / "step_0000035"
    out = flatten(weights.load(folder / "weights" / "unet")[1])
    assert (folder / "diffusers" / "unet" / "config.json").is_file()
    for name, x in trained.items():
        exported = out[name.removeprefix("unet.")]
        np.testing.assert_array_equal(x, exported, err_msg=name)
    last = flatten(weights.load(complete / "weights" / "unet")[1])
    assert np.abs(out["conv_in.kernel"] - last["conv_in.kernel"]).max() > 0
    # The export of the finished run stays as it is.
    kept = flatten(weights.load(workdir / "weights" / "unet")[1])
    np.testing.assert_array_equal(kept["conv_in.kernel"], last["conv_in.kernel"])
    arguments = command(workdir, data, "--export_step=7")
    assert_refused(run(arguments, environment()), 2, "has checkpoints of 35, 40")


def test_runs_share_latents(root, data, environment):
    flags = (
        "--config.train.steps=3",
        "--config.train.cached_draws=1",
        f"--latents={root / 'latents'}",
    )
    done = run(command(root / "first", data, *flags), environment())
    assert done.returncode == 0, done.stderr
    # Six samples of five clips.
    assert "latents: 0 of 5 are in" in done.stderr
    files = list(root.glob("latents/*/*/*.npz"))
    assert len(files) == 5
    files[0].unlink()
    again = run(command(root / "second", data, *flags), environment())
    assert again.returncode == 0, again.stderr
    assert "latents: 4 of 5 are in" in again.stderr
    assert curve(root / "first") == curve(root / "second")


def test_a_wrong_setting_is_a_one_line_error(root, environment):
    for flag, part in (
        ("--config.train.stepz=3", "config.train.stepz"),
        ("--config.train.batch=many", "config.train.batch=many: expected a whole"),
        ("--config.train.height=21", "height=21: expected a multiple of"),
        ("--config.train.unet=svd/unet", "weights svd/unet are not in"),
        ("--init_from=s3://bucket/run", "s3://bucket/run: expected a folder, or gs://"),
    ):
        arguments = command(root / "wrong", None, flag, f"--weights_dir={root}")
        assert_refused(run(arguments, environment()), 2, part)
    assert not (root / "wrong").exists()


def test_another_models_checkpoint_is_refused(complete, root, data, environment):
    arguments = command(complete, data, "--config.train.widths=96")
    assert_refused(
        run(arguments, environment()), 2, "holds a run with train.widths=64, not 96"
    )
    # A dataset with other content is refused too.
    other = root / "other data"
    shutil.copytree(data, other)
    workdir = root / "other records"
    shutil.copytree(complete, workdir)
    run_json = json.loads((workdir / "run.json").read_text())
    run_json["data"]["place"] = str(other.resolve())
    (workdir / "run.json").write_text(json.dumps(run_json))
    info = other / "dataset_info.json"
    info.write_text(info.read_text() + " ")
    arguments = command(workdir, other)
    assert_refused(run(arguments, environment()), 2, "holds a run with data.content=")
    # Without run.json, the arrays of the checkpoint differ.
    workdir = root / "other"
    shutil.copytree(complete, workdir)
    (workdir / "run.json").unlink()
    arguments = command(workdir, data, "--config.train.widths=96")
    assert_refused(
        run(arguments, environment()), 2, "another model or optimizer", "was expected"
    )


def test_a_damaged_shard_is_named(root, data, environment):
    broken = root / "broken"
    shutil.copytree(data, broken)
    shard = broken / "pairs-train.tfrecord-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    settings = make_settings(TrainSettings, run_config.get_config().train.to_dict(), "")
    # A seed with which the second of three updates is the first that needs it.
    seed = next(
        seed
        for seed in range(100)
        if sample_order(5, dataclasses.replace(settings, seed=seed))[2] == 2
    )
    workdir = root / "broken run"
    arguments = command(workdir, broken, f"--config.train.seed={seed}")
    done = run(arguments, environment())
    assert_refused(done, 1, shard.name, "record 2", "step 1 is saved")
    assert [r["step"] for r in rows(workdir)] == [1]
    # With the original shard, the run resumes.
    shutil.copy(data / shard.name, shard)
    done = run([*arguments, "--config.train.steps=4"], environment())
    assert done.returncode == 0 and "resuming from step 1" in done.stderr, done.stderr


def test_a_loss_that_is_not_finite_stops_the_run(root, data, environment):
    workdir = root / "diverged"
    flags = (
        "--config.train.optimizer=sgd",
        "--config.train.learning_rate=10",
        "--config.train.clip_norm=0",
        "--config.train.sigma_mean=-10",
    )
    done = run(command(workdir, data, *flags), environment())
    assert_refused(
        done, 1, ": the loss is", "(film train", "of the run", "the last checkpoint"
    )
    last = rows(workdir)[-1]["step"]
    assert f"step {last + 1}: the loss is" in done.stderr
    assert all(np.isfinite(r["loss"]) for r in rows(workdir))


def test_a_full_disk_is_a_one_line_error_and_loses_nothing(
    complete, root, data, environment
):
    workdir = root / "full"
    shutil.copytree(complete, workdir)
    shutil.rmtree(workdir / "checkpoints" / "40")

    def limit_files() -> None:  # to 100 kB, less than the parameters need
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = run(command(workdir, data), environment(), preexec_fn=limit_files)
    assert_refused(done, 1, "cannot write", "step 35 is complete")
    done = run(command(workdir, data), environment())
    assert done.returncode == 0, done.stderr
    assert "resuming from step 35" in done.stderr
    assert curve(workdir) == curve(complete)

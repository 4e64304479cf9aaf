"""Whole runs: killed, stopped, moved to other devices, refused, exported."""

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
from training_runs import command, refused, rows, run, write_data

from stereojax import weights
from stereojax.settings.fields import fill
from stereojax.settings.train import TrainSettings
from stereojax.training import initial_model
from stereojax.training.input.pipeline import sample_order


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def environment(place):
    return functools.partial(training_runs.environment, place)


@pytest.fixture(scope="module")
def data(place) -> Path:
    return write_data(place / "data")


def run_until(step: int, number: int, arguments: list[str], environment: dict) -> tuple:
    """Once a row of `step` and a checkpoint are there, sends the signal to the group.

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
            # Orbax's folders have more to their names until they are whole.
            and any(p.name.isdigit() for p in (workdir / "checkpoints").glob("*"))
        )
    ):
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):  # it has ended, and says why
        os.killpg(process.pid, number)
    errors = process.communicate(timeout=300)[1]
    return process.returncode, errors


def curve(workdir: Path) -> list[tuple]:
    return [(r["step"], r["loss"], r["gradient_norm"]) for r in rows(workdir)]


@pytest.fixture(scope="module")
def whole(place, data, environment) -> Path:
    """A run that nothing happens to."""
    workdir = place / "whole"
    done = run(command(workdir, data), environment())
    assert done.returncode == 0, done.stderr
    return workdir


def test_a_run_writes_what_it_says(whole):
    found = rows(whole)
    assert [r["step"] for r in found] == list(range(1, 41))
    assert {"loss", "gradient_norm", "learning_rate", "samples_per_second"} <= set(
        found[-1]
    )
    assert np.ptp([r["loss"] for r in found]) > 0.01
    # The newest two of every seventh, and the last.
    assert sorted(int(p.name) for p in (whole / "checkpoints").glob("[0-9]*")) == [
        35,
        40,
    ]
    assert list((whole / "tensorboard").glob("events*"))


def test_killed_and_stopped_it_ends_as_if_nothing_had_happened(
    whole, place, data, environment
):
    workdir = place / "killed"
    # Between two checkpoints or at one, and far from the end: it shall not get there.
    first, second = map(int, np.random.default_rng().integers([8, 15], [15, 22]))
    arguments = command(workdir, data)
    code, _ = run_until(first, signal.SIGKILL, arguments, environment())
    assert code == -signal.SIGKILL
    code, errors = run_until(second, signal.SIGTERM, arguments, environment())
    assert code == 0, errors
    assert "told to stop: step" in errors and "goes on from step" in errors
    done = run(arguments, environment())
    assert done.returncode == 0, done.stderr
    # What SIGTERM saved is where it went on: no step was lost, and none made twice.
    saved = int(errors.split("told to stop: step ")[1].split()[0])
    assert f"goes on from step {saved}" in done.stderr
    assert curve(workdir) == curve(whole), (first, second)
    assert weights.fingerprint(workdir / "weights" / "unet") == weights.fingerprint(
        whole / "weights" / "unet"
    )


def test_worker_processes_outlast_what_tells_their_group_to_stop(
    place, data, environment
):
    workdir = place / "group"
    flags = (
        "--config.train.workers=2",
        "--config.train.steps=100000",
        "--preempted_exit_code=75",
    )
    code, errors = run_until(
        8, signal.SIGTERM, command(workdir, data, *flags), environment()
    )
    assert code == 75, errors
    # Nobody has anything to add, such as of memory that the workers shared.
    assert errors.splitlines()[-1].startswith("told to stop")
    saved = int(errors.split("told to stop: step ")[1].split()[0])
    assert (workdir / "checkpoints" / str(saved)).is_dir()


def test_it_goes_on_on_other_devices(whole, place, data, environment):
    workdir = place / "moved"
    shutil.copytree(whole, workdir)
    # As it was after step 35.
    shutil.rmtree(workdir / "checkpoints" / "40")
    done = run(command(workdir, data, "--config.train.fsdp=2"), environment(2))
    assert done.returncode == 0, done.stderr
    assert "'fsdp': 2" in done.stderr and "goes on from step 35" in done.stderr
    moved, stayed = np.array(curve(workdir)), np.array(curve(whole))
    assert len(moved) == 40
    np.testing.assert_array_equal(moved[:35], stayed[:35])
    np.testing.assert_allclose(moved[35:, 1], stayed[35:, 1], rtol=1e-3)


def test_only_what_trains_changes(whole, place, data, environment):
    """Beside a run of one step at a learning rate of zero: how it began."""
    workdir = place / "began"
    flags = ("--config.train.steps=1", "--config.train.learning_rate=0")
    done = run(command(workdir, data, *flags), environment())
    assert done.returncode == 0, done.stderr
    _, began = weights.load(workdir / "weights" / "unet")
    _, ended = weights.load(whole / "weights" / "unet")
    temporal = (
        "temporal_res_block",
        "temporal_transformer_blocks",
        "time_pos_embed",
        "time_mixer",
    )
    flat = [flatten(tree) for tree in (began, ended)]
    # What comes out is what it began with; so also look at what the run held.
    held = [state_of(whole, step)["frozen"] for step in (35, 40)]
    assert held[0].keys() == held[1].keys() and len(held[0]) > 40
    for name, x in held[0].items():
        np.testing.assert_array_equal(x, held[1][name], err_msg=name)
        rounded = flat[0][name.removeprefix("unet.")].astype(x.dtype)
        np.testing.assert_array_equal(x, rounded, err_msg=name)
    settings = fill(TrainSettings, run_config.get_config().train.to_dict(), "")
    assert settings.frozen_dtype == "bfloat16"  # and yet it comes out unrounded
    given = initial_model.load_initial_model(settings, root=place).arrays
    assert flat[0].keys() == flat[1].keys() and len(flat[0]) > 100
    for name, before in flat[0].items():
        if ".transformer_blocks.0.norm2." in name:
            continue  # a single context token makes it inert: its bias stays zero
        same = np.array_equal(before, flat[1][name])
        assert same == any(part in name for part in temporal), name
        if same:
            wanted = given[f"unet.{name}"].astype(np.float32)
            np.testing.assert_array_equal(before, wanted, err_msg=name)


def state_of(workdir: Path, step: int) -> dict:
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(workdir / "checkpoints" / str(step) / "default")


def flatten(tree: dict, prefix: str = "") -> dict[str, np.ndarray]:
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def test_diffusers_loads_what_came_out(whole):
    model = diffusers.UNetSpatioTemporalConditionModel.from_pretrained(
        whole / "diffusers" / "unet"
    )
    assert model.config.in_channels == 25
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    kernel = flatten(weights.load(whole / "weights" / "unet")[1])["conv_in.kernel"]
    np.testing.assert_array_equal(
        model.conv_in.weight.detach().numpy().transpose(2, 3, 1, 0), kernel
    )


def test_a_run_begins_with_what_another_ended_with(whole, place, data, environment):
    """Then it validates with the sampler, and leaves a picture."""
    workdir = place / "after"
    flags = (
        f"--init_from={whole}",
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
        flatten(weights.load(w / "weights" / "unet")[1]) for w in (whole, workdir)
    )
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)
    # Not the seventh, but what was judged: the best of them stays.
    assert (workdir / "checkpoints" / "2").is_dir()
    last = rows(workdir)[-1]
    assert last["val_lpips"] == "absent"
    assert 0 < last["val_psnr"] < 60 and -1 < last["val_ssim"] < 1
    assert last["val_psnr_background"] > 5
    assert list((workdir / "validation").glob("*.png"))


def test_any_checkpoint_can_be_written_out(whole, place, data, environment):
    workdir = place / "earlier"
    shutil.copytree(whole, workdir)
    done = run(command(workdir, data, "--export_step=35"), environment())
    assert done.returncode == 0, done.stderr
    trained = state_of(whole, 35)["trainable"]
    written = workdir / "step_0000035"
    out = flatten(weights.load(written / "weights" / "unet")[1])
    assert (written / "diffusers" / "unet" / "config.json").is_file()
    for name, x in trained.items():
        found = out[name.removeprefix("unet.")]
        np.testing.assert_array_equal(x, found, err_msg=name)
    last = flatten(weights.load(whole / "weights" / "unet")[1])
    assert np.abs(out["conv_in.kernel"] - last["conv_in.kernel"]).max() > 0
    # What the run has ended with stays where it is.
    kept = flatten(weights.load(workdir / "weights" / "unet")[1])
    np.testing.assert_array_equal(kept["conv_in.kernel"], last["conv_in.kernel"])
    arguments = command(workdir, data, "--export_step=7")
    refused(run(arguments, environment()), 2, "has checkpoints of 35, 40")


def test_runs_share_latents(place, data, environment):
    flags = (
        "--config.train.steps=3",
        "--config.train.cached_draws=1",
        f"--latents={place / 'latents'}",
    )
    done = run(command(place / "first", data, *flags), environment())
    assert done.returncode == 0, done.stderr
    # Six samples of five clips.
    assert "latents: 0 of 5 are in" in done.stderr
    made = list(place.glob("latents/*/*/*.npz"))
    assert len(made) == 5
    made[0].unlink()
    again = run(command(place / "second", data, *flags), environment())
    assert again.returncode == 0, again.stderr
    assert "latents: 4 of 5 are in" in again.stderr
    assert curve(place / "first") == curve(place / "second")


def test_a_wrong_setting_is_one_line(place, environment):
    for flag, part in (
        ("--config.train.stepz=3", "config.train.stepz"),
        ("--config.train.batch=many", "config.train.batch=many: expected a whole"),
        ("--config.train.height=21", "height=21: expected a multiple of"),
        ("--config.train.unet=svd/unet", "weights svd/unet are not in"),
        ("--init_from=s3://bucket/run", "s3://bucket/run: expected a folder, or gs://"),
    ):
        arguments = command(place / "wrong", None, flag, f"--weights_dir={place}")
        refused(run(arguments, environment()), 2, part)
    assert not (place / "wrong").exists()


def test_another_models_checkpoint_is_refused(whole, place, data, environment):
    arguments = command(whole, data, "--config.train.widths=96")
    refused(
        run(arguments, environment()), 2, "holds a run with train.widths=64, not 96"
    )
    # Nor is another dataset in the same place the same.
    other = place / "other data"
    shutil.copytree(data, other)
    workdir = place / "other records"
    shutil.copytree(whole, workdir)
    told = json.loads((workdir / "run.json").read_text())
    told["data"]["place"] = str(other.resolve())
    (workdir / "run.json").write_text(json.dumps(told))
    info = other / "dataset_info.json"
    info.write_text(info.read_text() + " ")
    arguments = command(workdir, other)
    refused(run(arguments, environment()), 2, "holds a run with data.content=")
    # Where nothing says so, the arrays do.
    workdir = place / "other"
    shutil.copytree(whole, workdir)
    (workdir / "run.json").unlink()
    arguments = command(workdir, data, "--config.train.widths=96")
    refused(
        run(arguments, environment()), 2, "another model or optimizer", "was expected"
    )


def test_a_damaged_shard_names_itself(place, data, environment):
    broken = place / "broken"
    shutil.copytree(data, broken)
    shard = broken / "pairs-train.tfrecord-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    settings = fill(TrainSettings, run_config.get_config().train.to_dict(), "")
    # A seed with which the second of three updates is the first that needs it.
    seed = next(
        seed
        for seed in range(100)
        if sample_order(5, dataclasses.replace(settings, seed=seed))[2] == 2
    )
    workdir = place / "broken run"
    arguments = command(workdir, broken, f"--config.train.seed={seed}")
    done = run(arguments, environment())
    refused(done, 1, shard.name, "record 2", "step 1 is saved")
    assert [r["step"] for r in rows(workdir)] == [1]
    # With the shard as it was, the run goes on.
    shutil.copy(data / shard.name, shard)
    done = run([*arguments, "--config.train.steps=4"], environment())
    assert done.returncode == 0 and "goes on from step 1" in done.stderr, done.stderr


def test_a_loss_that_is_not_finite_stops_the_run(place, data, environment):
    workdir = place / "diverged"
    flags = (
        "--config.train.optimizer=sgd",
        "--config.train.learning_rate=10",
        "--config.train.clip_norm=0",
        "--config.train.sigma_mean=-10",
    )
    done = run(command(workdir, data, *flags), environment())
    refused(done, 1, ": the loss is", "(film train", "of the run", "that is saved")
    last = rows(workdir)[-1]["step"]
    assert f"step {last + 1}: the loss is" in done.stderr
    assert all(np.isfinite(r["loss"]) for r in rows(workdir))


def test_a_full_disk_is_one_line_and_loses_nothing(whole, place, data, environment):
    workdir = place / "full"
    shutil.copytree(whole, workdir)
    shutil.rmtree(workdir / "checkpoints" / "40")

    def no_room() -> None:  # files end at 100 kB: the parameters do not fit
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = run(command(workdir, data), environment(), preexec_fn=no_room)
    refused(done, 1, "cannot write", "step 35 is whole")
    done = run(command(workdir, data), environment())
    assert done.returncode == 0, done.stderr
    assert "goes on from step 35" in done.stderr
    assert curve(workdir) == curve(whole)

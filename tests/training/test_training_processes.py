"""Two processes as one run, over loopback: stopped, gone on with, damaged."""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from training_runs import command, environment, refused, rows, run, write_data

from stereojax import weights

FLAGS = ("--config.train.batch=4", "--config.train.checkpoint_every=100")
VALIDATES = (
    "--config.train.validate_every=2",
    "--config.train.validation_scenes=2",
    "--config.train.validation_steps=2",
)
TOGETHER = "--config.train.fsdp=2"  # of the 4 devices, those of one process
LIMIT = 300  # seconds that anything may take


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def data(place) -> Path:
    return write_data(place / "data")


def start(place: Path, workdir: Path, data: list[Path], *flags: str) -> list:
    """Two processes of two devices each; each has its own view of the data."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    flags = (*FLAGS, TOGETHER, *flags)
    joined = (f"--coordinator_address=localhost:{port}", "--num_processes=2")
    return [
        subprocess.Popen(
            command(workdir, mine, *joined, f"--process_id={rank}", *flags),
            env=environment(place, 2),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, mine in enumerate(data)
    ]


def ended(both: list) -> list[subprocess.CompletedProcess]:
    try:
        errors = [process.communicate(timeout=LIMIT)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    return [
        subprocess.CompletedProcess(process.args, process.returncode, "", said)
        for process, said in zip(both, errors, strict=True)
    ]


@pytest.fixture(scope="module")
def stopped(place, data) -> tuple[Path, list[subprocess.CompletedProcess], int]:
    """SIGTERM to the second process alone, after a step; (workdir, both, steps)."""
    workdir = place / "stopped"
    flags = ("--config.train.steps=1000", "--preempted_exit_code=75")
    both = start(place, workdir, [data, data], *flags)
    until = time.monotonic() + LIMIT
    while not rows(workdir) and both[1].poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    both[1].send_signal(signal.SIGTERM)
    return workdir, ended(both), len(rows(workdir))


@pytest.fixture(scope="module")
def prolonged(place, data, stopped) -> tuple[Path, list, int]:
    """Both again, for three more steps; (workdir, both, steps)."""
    workdir, steps = place / "two", stopped[2] + 3
    shutil.copytree(stopped[0], workdir)
    flags = (*VALIDATES, f"--config.train.steps={steps}")
    return workdir, ended(start(place, workdir, [data, data], *flags)), steps


@pytest.fixture(scope="module")
def alone(place, data, stopped, prolonged) -> tuple[Path, subprocess.CompletedProcess]:
    """One process goes on instead, on as many devices, but another mesh of them."""
    workdir = place / "one"
    shutil.copytree(stopped[0], workdir)
    flags = (*FLAGS, *VALIDATES, "--config.train.fsdp=4")
    steps = f"--config.train.steps={prolonged[2]}"
    done = run(command(workdir, data, *flags, steps), environment(place, 4))
    assert done.returncode == 0, done.stderr
    return workdir, done


def test_one_that_is_told_to_stop_stops_both_after_the_same_step(stopped):
    workdir, both, last = stopped
    said = [done.stderr for done in both]
    assert [done.returncode for done in both] == [75, 75], said
    assert f"told to stop: step {last} is saved" in said[0]
    assert "told to stop" not in said[1]
    assert [p.name for p in (workdir / "checkpoints").iterdir()] == [str(last)]


def test_both_go_on_as_one_process_would(stopped, prolonged, alone):
    workdir, both, steps = prolonged
    said = [done.stderr for done in both]
    assert [done.returncode for done in both] == [0, 0], said
    assert "4 x cpu, {'data': 2, 'fsdp': 2}" in said[0]
    assert f"goes on from step {stopped[2]}" in said[0]
    # One of them speaks and writes.
    assert said[1] == ""
    found, wanted = rows(workdir), rows(alone[0])
    assert [r["step"] for r in found] == list(range(1, steps + 1))
    assert len(list((workdir / "tensorboard").glob("events*"))) == 2
    for name in ("loss", "gradient_norm", "loss_hole", "loss_outside"):
        ours, theirs = ([r[name] for r in some] for some in (found, wanted))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, err_msg=name)
    for name in ("val_psnr", "val_ssim", "val_psnr_background"):
        np.testing.assert_allclose(
            found[-1][name], wanted[-1][name], atol=1e-3, err_msg=name
        )


def test_what_both_leave_is_whole(prolonged):
    workdir, _, steps = prolonged
    scores = {r["step"]: r["val_psnr"] for r in rows(workdir) if "val_psnr" in r}
    kept = {int(p.name) for p in (workdir / "checkpoints").iterdir()}
    assert {steps, max(scores, key=scores.get)} <= kept
    assert len(scores) > 1
    pictures = {p.name for p in (workdir / "validation").iterdir()}
    assert pictures == {f"step_{step:07}.png" for step in scores}
    assert [p.name for p in (workdir / "diffusers").iterdir()] == ["unet"]
    config, arrays = weights.load(workdir / "weights" / "unet")
    assert f"to step {steps}" in config["source"]
    folder = workdir / "diffusers" / "unet"
    there = load_file(folder / "diffusion_pytorch_model.safetensors")
    np.testing.assert_array_equal(
        there["conv_in.weight"].transpose(2, 3, 1, 0), arrays["conv_in"]["kernel"]
    )


def test_one_process_goes_on_with_it_on_another_mesh(stopped, alone):
    _, done = alone
    assert "4 x cpu, {'data': 1, 'fsdp': 4}" in done.stderr
    assert f"goes on from step {stopped[2]}" in done.stderr


def test_a_record_that_one_cannot_read_ends_both(place, data, tmp_path):
    """What was done before is saved, and both say why."""
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    shard = broken / "pairs-train.tfrecord-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    workdir = tmp_path / "run"
    first, second = ended(start(place, workdir, [broken, data]))
    assert len(rows(workdir)) > 0
    saved = f"step {rows(workdir)[-1]['step']} is saved"
    refused(first, 1, "record 2 is damaged", saved)
    refused(second, 1, "process 0: ", "record 2 is damaged", saved)
    assert [int(p.name) for p in (workdir / "checkpoints").glob("[0-9]*")] == [
        rows(workdir)[-1]["step"]
    ]


def test_settings_that_the_first_refuses_end_both(place, data, stopped):
    """The second would wait for it for ever."""
    workdir = stopped[0]
    first, second = ended(
        start(place, workdir, [data, data], "--config.train.widths=96")
    )
    refused(first, 2, "holds a run with train.widths=64, not 96")
    refused(second, 2, "process 0: ", "holds a run with train.widths=64, not 96")

"""Training with two processes on one machine: preemption, resuming, failures."""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from training_runs import assert_refused, command, environment, rows, run, write_data

from stereojax import weights

FLAGS = ("--config.train.batch=4", "--config.train.checkpoint_every=100")
VALIDATION_FLAGS = (
    "--config.train.validate_every=2",
    "--config.train.validation_scenes=2",
    "--config.train.validation_steps=2",
)
FSDP = "--config.train.fsdp=2"  # the devices of one process; there are 4 in total
TIMEOUT_S = 300


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def data(root) -> Path:
    return write_data(root / "data")


def start(root: Path, workdir: Path, data: list[Path], *flags: str) -> list:
    """Starts two processes of two devices each; `data` holds the --data of each."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    flags = (*FLAGS, FSDP, *flags)
    cluster = (f"--coordinator_address=localhost:{port}", "--num_processes=2")
    return [
        subprocess.Popen(
            command(workdir, folder, *cluster, f"--process_id={rank}", *flags),
            env=environment(root, 2),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, folder in enumerate(data)
    ]


def wait(processes: list) -> list[subprocess.CompletedProcess]:
    try:
        errors = [process.communicate(timeout=TIMEOUT_S)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [
        subprocess.CompletedProcess(process.args, process.returncode, "", error)
        for process, error in zip(processes, errors, strict=True)
    ]


@pytest.fixture(scope="module")
def stopped(root, data) -> tuple[Path, list[subprocess.CompletedProcess], int]:
    """Returns (workdir, both processes, steps) of a run that SIGTERM stopped.

    The signal is sent to the second process only.
    """
    workdir = root / "stopped"
    flags = ("--config.train.steps=1000", "--preempted_exit_code=75")
    processes = start(root, workdir, [data, data], *flags)
    second = processes[1]
    deadline = time.monotonic() + TIMEOUT_S
    while not rows(workdir) and second.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    second.send_signal(signal.SIGTERM)
    return workdir, wait(processes), len(rows(workdir))


@pytest.fixture(scope="module")
def resumed(root, data, stopped) -> tuple[Path, list, int]:
    """Returns (workdir, both processes, steps) of a run resumed for three steps."""
    workdir, steps = root / "two", stopped[2] + 3
    shutil.copytree(stopped[0], workdir)
    flags = (*VALIDATION_FLAGS, f"--config.train.steps={steps}")
    return workdir, wait(start(root, workdir, [data, data], *flags)), steps


@pytest.fixture(scope="module")
def resumed_by_one(
    root, data, stopped, resumed
) -> tuple[Path, subprocess.CompletedProcess]:
    """Returns (workdir, process) of a run resumed by one process on another mesh."""
    workdir = root / "one"
    shutil.copytree(stopped[0], workdir)
    flags = (*FLAGS, *VALIDATION_FLAGS, "--config.train.fsdp=4")
    steps = f"--config.train.steps={resumed[2]}"
    process = run(command(workdir, data, *flags, steps), environment(root, 4))
    assert process.returncode == 0, process.stderr
    return workdir, process


def test_a_signal_to_one_process_stops_both_after_the_same_step(stopped):
    workdir, processes, last = stopped
    logs = [process.stderr for process in processes]
    assert [process.returncode for process in processes] == [75, 75], logs
    assert f"stopped by a signal: step {last} is saved" in logs[0]
    assert "stopped by a signal" not in logs[1]
    assert [p.name for p in (workdir / "checkpoints").iterdir()] == [str(last)]


def test_two_processes_resume_like_one(stopped, resumed, resumed_by_one):
    workdir, processes, steps = resumed
    logs = [process.stderr for process in processes]
    assert [process.returncode for process in processes] == [0, 0], logs
    assert "4 x cpu, {'data': 2, 'fsdp': 2}" in logs[0]
    assert f"resuming from step {stopped[2]}" in logs[0]
    # Only process 0 logs and writes.
    assert logs[1] == ""
    result, expected = rows(workdir), rows(resumed_by_one[0])
    assert [r["step"] for r in result] == list(range(1, steps + 1))
    assert len(list((workdir / "tensorboard").glob("events*"))) == 2
    for name in ("loss", "gradient_norm", "loss_hole", "loss_outside"):
        np.testing.assert_allclose(
            [r[name] for r in result],
            [r[name] for r in expected],
            rtol=1e-5,
            err_msg=name,
        )
    for name in ("val_psnr", "val_ssim", "val_psnr_background"):
        np.testing.assert_allclose(
            result[-1][name], expected[-1][name], atol=1e-3, err_msg=name
        )


def test_the_files_of_two_processes_are_complete(resumed):
    workdir, _, steps = resumed
    scores = {r["step"]: r["val_psnr"] for r in rows(workdir) if "val_psnr" in r}
    kept = {int(p.name) for p in (workdir / "checkpoints").iterdir()}
    assert {steps, max(scores, key=scores.get)} <= kept
    assert len(scores) > 1
    images = {p.name for p in (workdir / "validation").iterdir()}
    assert images == {f"step_{step:07}.png" for step in scores}
    assert [p.name for p in (workdir / "diffusers").iterdir()] == ["unet"]
    config, arrays = weights.load(workdir / "weights" / "unet")
    assert f"to step {steps}" in config["source"]
    folder = workdir / "diffusers" / "unet"
    tensors = load_file(folder / "diffusion_pytorch_model.safetensors")
    np.testing.assert_array_equal(
        tensors["conv_in.weight"].transpose(2, 3, 1, 0), arrays["conv_in"]["kernel"]
    )


def test_one_process_resumes_on_another_mesh(stopped, resumed_by_one):
    _, process = resumed_by_one
    assert "4 x cpu, {'data': 1, 'fsdp': 4}" in process.stderr
    assert f"resuming from step {stopped[2]}" in process.stderr


def test_a_damaged_record_of_one_process_ends_both(root, data, tmp_path):
    """The steps before the record are saved, and both processes print the reason."""
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    shard = broken / "pairs-train.tfrecord-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    workdir = tmp_path / "run"
    first, second = wait(start(root, workdir, [broken, data]))
    assert len(rows(workdir)) > 0
    saved = f"step {rows(workdir)[-1]['step']} is saved"
    assert_refused(first, 1, "record 2 is damaged", saved)
    assert_refused(second, 1, "process 0: ", "record 2 is damaged", saved)
    assert [int(p.name) for p in (workdir / "checkpoints").glob("[0-9]*")] == [
        rows(workdir)[-1]["step"]
    ]


def test_an_input_error_of_the_first_process_ends_both(root, data, stopped):
    """The second process must not wait for the first one for ever."""
    workdir = stopped[0]
    first, second = wait(start(root, workdir, [data, data], "--config.train.widths=96"))
    assert_refused(first, 2, "holds a run with train.widths=64, not 96")
    assert_refused(second, 2, "process 0: ", "holds a run with train.widths=64, not 96")

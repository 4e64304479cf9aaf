"""Updates are equal on any mesh, and on two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MESHES = ("1x1", "2x1", "1x2+2", "2x2", "1x4", "8x1", "2x4", "1x8")
TOL = 1e-5


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(HERE / "mesh_worker.py"), *arguments]


def environment(devices: int) -> dict[str, str]:
    flags = (
        f"--xla_force_host_platform_device_count={devices}",
        # Fast compilation, slow programs.
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    )
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": f"{ROOT}:{HERE}",
        "XLA_FLAGS": " ".join(flags),
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    """Results by mesh, on the first devices of 8 simulated ones."""
    out = tmp_path_factory.mktemp("meshes") / "mesh"
    done = subprocess.run(
        command(str(out), *MESHES),
        env=environment(8),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return {mesh: dict(np.load(f"{out}-{mesh}.npz")) for mesh in MESHES}


def assert_same(result: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    gradients = [name for name in expected if name.startswith("unet.")]
    assert len(gradients) > 60
    assert result.keys() == expected.keys()
    nonzero = [name for name in gradients if np.abs(expected[name]).max() > 1e-4]
    # A single context token gives these parameters no gradient.
    inert = ("norm2", "attn2.to_q", "attn2.to_k")
    assert not [
        name
        for name in gradients
        if name not in nonzero and not any(part in name for part in inert)
    ]
    for name in gradients:
        error = np.abs(result[name] - expected[name]).max()
        assert error <= TOL * np.abs(expected[name]).max(), name
    np.testing.assert_allclose(result["losses"], expected["losses"], rtol=TOL)
    np.testing.assert_allclose(result["norms"], expected["norms"], rtol=TOL)


@pytest.mark.parametrize("mesh", MESHES[1:])
def test_loss_and_gradients_equal_those_of_one_device(results, mesh):
    assert_same(results[mesh], results["1x1"])


def test_the_losses_change(results):
    losses = results["1x1"]["losses"]
    assert np.ptp(losses) > 0.01 and np.isfinite(losses).all()
    assert results["1x1"]["norms"][0] > 0.1


def test_parameters_are_sharded_over_fsdp_only(results):
    full = results["1x1"]["share"]
    for mesh in MESHES[1:]:
        share = int(mesh[2])  # devices of fsdp
        assert results[mesh]["share"] == full // share, mesh


def test_two_processes_equal_one(results, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    both = [
        subprocess.Popen(
            command(str(tmp_path / "two"), "2x2", port, str(rank)),
            env=environment(2),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=900)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    result = dict(np.load(tmp_path / "two-2x2.npz"))
    assert_same(result, results["1x1"])

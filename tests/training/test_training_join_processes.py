"""Joining the other processes: Slurm, Open MPI, TPU pods and flags."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stereojax.cli import InputError
from stereojax.training.multihost import processes

ROOT = Path(__file__).parents[2]
# Prints the process and its devices after joining.
JOINED = """
import jax
from stereojax.training.multihost.processes import join_processes
join_processes()
devices = jax.config.values["jax_cuda_visible_devices"]
print(jax.process_count(), jax.process_index(), devices)
"""


def start_slurm_task(task: int, nodes: int, port: int) -> subprocess.Popen:
    """Starts one of two Slurm tasks, on one node or two."""
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("SLURM_")}
    environment = inherited | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COORDINATOR_PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_NODES": str(nodes),
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(task),
        "SLURM_LOCALID": str(task * (2 - nodes)),
    }
    return subprocess.Popen(
        [sys.executable, "-c", JOINED],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("nodes", "devices"), [(2, ["all", "all"]), (1, ["0", "1"])])
def test_a_single_process_on_a_node_has_all_devices(nodes, devices):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    both = [start_slurm_task(task, nodes, port) for task in range(2)]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert [out.split() for out, _ in outputs] == [
        ["2", str(task), devices[task]] for task in range(2)
    ]


@pytest.fixture
def joined(monkeypatch) -> list[dict]:
    """Records the calls of jax.distributed.initialize, without a cluster."""
    calls = []
    monkeypatch.setattr(
        "jax.distributed.initialize", lambda *a, **k: calls.append({"args": a, **k})
    )
    for name in (
        "SLURM_STEP_NODELIST",
        "OMPI_MCA_orte_hnp_uri",
        "OMPI_COMM_WORLD_SIZE",
    ):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_a_single_process_does_not_join(joined, monkeypatch):
    processes.join_processes()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_NTASKS", "8")  # in the batch script, without srun
    processes.join_processes()
    assert joined == []


def test_jax_detects_the_hosts_of_tpus(joined, monkeypatch):
    for name in ("JAX_PLATFORMS", "TPU_SKIP_MDS_QUERY"):
        monkeypatch.delenv(name, raising=False)
    patterns = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr(
        "pathlib.Path.glob", lambda self, pattern: patterns.append(pattern) or [pattern]
    )
    processes.join_processes()
    assert joined == [{"args": ()}] and "accel*" in patterns
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    processes.join_processes()
    assert len(joined) == 1


def test_flags_take_precedence_over_a_cluster(joined, monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NODELIST", "node[1-2]")
    processes.join_processes("here:1", 2, 0)
    assert joined == [
        {"args": ("here:1", 2, 0), "cluster_detection_method": "deactivate"}
    ]
    with pytest.raises(InputError, match="expected all three"):
        processes.join_processes("here:1")


def test_open_mpi(joined, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "1")
    processes.join_processes()
    assert not joined
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    # Version 5 sets no address of the other processes.
    with pytest.raises(InputError, match=r"Open MPI started 4 processes.*--coord"):
        processes.join_processes()
    monkeypatch.setenv("OMPI_MCA_orte_hnp_uri", "1.0;tcp://10.0.0.1:5000")
    for local, devices in (("1", []), ("2", None), (None, None)):
        if local:
            monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_SIZE", local)
        else:
            monkeypatch.delenv("OMPI_COMM_WORLD_LOCAL_SIZE")
        processes.join_processes()
        assert joined[-1] == {"args": (), "local_device_ids": devices}
    assert len(joined) == 3


def test_processes_at_unknown_addresses_are_an_error(joined, monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 4)
    with pytest.raises(InputError, match="there are 4 processes"):
        processes.join_processes()

"""Joins the processes of one run; JAX detects TPU pods, Slurm and Open MPI."""

import importlib.util
import os
import sys
from pathlib import Path

import jax

from stereojax.cli import InputError


def join_processes(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
    """Connects to the other processes, if there are any.

    Must be called before JAX initializes its devices.

    Args:
      coordinator: HOST:PORT of process 0; requires the other two arguments.
      processes: number of processes.
      process: number of this process, from 0.

    Raises:
      InputError: only some of the three arguments were given, or there are other
        processes whose addresses are unknown.
    """
    provided = [x is not None for x in (coordinator, processes, process)]
    if any(provided):
        if not all(provided):
            raise InputError(
                "--coordinator_address, --num_processes and --process_id: expected "
                "all three, or none where the cluster is detected (Slurm, Open MPI, "
                "TPU pods)"
            )
        # Cluster detection would give each process a single device.
        jax.distributed.initialize(
            coordinator, processes, process, cluster_detection_method="deactivate"
        )
    elif _on_tpus():
        jax.distributed.initialize()
    elif counts := _slurm() or _open_mpi():
        total, local = counts
        if total > 1:
            # JAX assumes one process a device. An empty list gives a process that is
            # alone on its node all devices of the node.
            jax.distributed.initialize(local_device_ids=[] if local == 1 else None)
    if not jax.distributed.is_initialized() and jax.process_count() > 1:
        raise InputError(
            f"there are {jax.process_count()} processes at unknown addresses; "
            "expected --coordinator_address, --num_processes and --process_id"
        )


def _on_tpus() -> bool:
    """Returns whether JAX can find the other hosts through TPU metadata."""
    if (os.environ.get("JAX_PLATFORMS") or "tpu").split(",")[0] != "tpu":
        return False
    # JAX sets TPU_SKIP_MDS_QUERY where it saw no chips. Users set it together with the
    # addresses of the hosts.
    addresses = {"TPU_WORKER_HOSTNAMES", "TPU_PROCESS_ADDRESSES"} & os.environ.keys()
    if "TPU_SKIP_MDS_QUERY" in os.environ and not addresses:
        return False
    if importlib.util.find_spec("libtpu") is None:
        return False
    devices = Path("/dev")
    return bool([*devices.glob("accel*"), *devices.glob("vfio/[0-9]*")])


def _slurm() -> tuple[int, int] | None:
    """Returns (processes, processes on this node) inside `srun`, else None.

    A batch script also has SLURM_NTASKS, but no step.
    """
    if "SLURM_STEP_NODELIST" not in os.environ:
        return None
    total = int(os.environ["SLURM_NTASKS"])
    return total, -(-total // int(os.environ.get("SLURM_STEP_NUM_NODES", 1)))


def _open_mpi() -> tuple[int, int] | None:
    """Returns (processes, processes on this node) inside `mpirun`, else None."""
    total = int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1))
    if "OMPI_MCA_orte_hnp_uri" not in os.environ:  # absent from version 5 on
        if total > 1:
            raise InputError(
                f"Open MPI started {total} processes, whose addresses JAX cannot "
                "detect; expected --coordinator_address, --num_processes and "
                "--process_id"
            )
        return None
    return total, int(os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", total))


def is_first() -> bool:
    """Returns whether this is process 0, which logs and writes for all."""
    return jax.process_index() == 0


def log_once(line: str) -> None:
    """Prints a line to stderr, on process 0 only."""
    if is_first():
        print(line, file=sys.stderr, flush=True)

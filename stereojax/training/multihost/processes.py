"""Several processes as one run: TPU pods, Slurm and Open MPI are found out by jax."""

import importlib.util
import os
import sys
from pathlib import Path

import jax

from stereojax.cli import InputError


def start(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
    """Joins the other processes, where there are any. Before jax sees any device.

    Args:
      coordinator: HOST:PORT of process 0. With it, the other two are needed as well.

    Raises:
      InputError: only some of the three were given, or there are other processes and
        nothing tells where.
    """
    given = [x is not None for x in (coordinator, processes, process)]
    if any(given):
        if not all(given):
            raise InputError(
                "--coordinator_address, --num_processes and --process_id: expected "
                "all three, or none where the cluster is found out (Slurm, Open MPI, "
                "TPU pods)"
            )
        # What jax found out of a cluster would give each process one device alone.
        jax.distributed.initialize(
            coordinator, processes, process, cluster_detection_method="deactivate"
        )
    elif _on_tpus():
        jax.distributed.initialize()
    elif counts := _slurm() or _open_mpi():
        total, here = counts
        if total > 1:
            # Jax's convention is one process a device. Alone on its node, a process
            # has all of the node's: no list of them rather than a list of one.
            jax.distributed.initialize(local_device_ids=[] if here == 1 else None)
    if not jax.distributed.is_initialized() and jax.process_count() > 1:
        raise InputError(
            f"there are {jax.process_count()} processes, and nothing tells where; "
            "expected --coordinator_address, --num_processes and --process_id"
        )


def _on_tpus() -> bool:
    """Where jax asks the machine's own service who the others are."""
    if (os.environ.get("JAX_PLATFORMS") or "tpu").split(",")[0] != "tpu":
        return False
    # Set by jax itself where it saw no chips; elsewhere the other two tell instead.
    told = {"TPU_WORKER_HOSTNAMES", "TPU_PROCESS_ADDRESSES"} & os.environ.keys()
    if "TPU_SKIP_MDS_QUERY" in os.environ and not told:
        return False
    if importlib.util.find_spec("libtpu") is None:
        return False
    devices = Path("/dev")
    return bool([*devices.glob("accel*"), *devices.glob("vfio/[0-9]*")])


def _slurm() -> tuple[int, int] | None:
    """(processes, processes on this node) of `srun`; not those of its batch script."""
    if "SLURM_STEP_NODELIST" not in os.environ:
        return None
    total = int(os.environ["SLURM_NTASKS"])
    return total, -(-total // int(os.environ.get("SLURM_STEP_NUM_NODES", 1)))


def _open_mpi() -> tuple[int, int] | None:
    total = int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1))
    if "OMPI_MCA_orte_hnp_uri" not in os.environ:  # of version 4 and those before
        if total > 1:
            raise InputError(
                f"Open MPI started {total} processes, and jax cannot tell where they "
                "are; expected --coordinator_address, --num_processes and --process_id"
            )
        return None
    return total, int(os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", total))


def is_first() -> bool:
    """Whether this process speaks for all."""
    return jax.process_index() == 0


def say(line: str) -> None:
    """Once, however many processes there are."""
    if is_first():
        print(line, file=sys.stderr, flush=True)

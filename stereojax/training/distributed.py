"""Several processes as one run: TPU pods, Slurm and Open MPI are found out by jax."""

import os

import jax

from stereojax.cli import InputError

# Where one of these is set, jax knows how many processes there are, and which is which.
_CLUSTERS = ("SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri", "TPU_WORKER_HOSTNAMES")
_COUNTS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")


def start(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
    """Joins the other processes, where there are any. Before jax sees any device.

    Args:
      coordinator: HOST:PORT of process 0. With it, the other two are needed as well.

    Raises:
      InputError: only some of the three were given.
    """
    given = [x is not None for x in (coordinator, processes, process)]
    if any(given):
        if not all(given):
            raise InputError(
                "--coordinator_address, --num_processes and --process_id: expected "
                "all three, or none where the cluster is found out (Slurm, Open MPI, "
                "TPU pods)"
            )
        jax.distributed.initialize(coordinator, processes, process)
    elif _in_a_cluster():
        jax.distributed.initialize()


def _in_a_cluster() -> bool:
    if "TPU_WORKER_HOSTNAMES" in os.environ:
        return len(os.environ["TPU_WORKER_HOSTNAMES"].split(",")) > 1
    if not any(name in os.environ for name in _CLUSTERS):
        return False
    return any(int(os.environ.get(name, 1)) > 1 for name in _COUNTS)

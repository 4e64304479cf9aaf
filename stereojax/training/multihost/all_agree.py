"""Collective decisions of all processes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stereojax.training.sharding import BATCH, REPLICATED


class AllAgree:
    """Asynchronous logical AND over processes, computed on the devices."""

    def __init__(self, mesh: Mesh):
        self._per_device = NamedSharding(mesh, PartitionSpec(*BATCH, None))
        self._minimum = jax.jit(
            lambda flags: flags.min(axis=0),
            out_shardings=NamedSharding(mesh, REPLICATED),
        )

    def ask(self, *flags: bool) -> Any:
        """Returns an array with one element a flag: whether it is set on all processes.

        Does not wait. The devices compute it between the update dispatched before this
        call and the one dispatched after it, so it is known while the latter runs.
        """
        if jax.process_count() == 1:
            return np.array(flags)
        local = np.tile(np.int32(flags), (jax.local_device_count(), 1))
        return self._minimum(
            jax.make_array_from_process_local_data(self._per_device, local)
        )


def all_agree(flag: bool) -> bool:
    """Returns whether `flag` is set on all processes; waits for them."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(jnp.int32(flag)).all())


def max_over_processes(number: int) -> int:
    """Returns the largest `number` of all processes; waits for them."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.process_allgather(jnp.int32(number)).max())

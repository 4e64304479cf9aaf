"""What all processes agree to, without waiting for the update that they are at."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stereojax.training.sharding import REPEATED, SAMPLES


class Votes:
    """Questions that are answered yes where each process says so."""

    def __init__(self, mesh: Mesh):
        self._by_device = NamedSharding(mesh, PartitionSpec(*SAMPLES, None))
        self._count = jax.jit(
            lambda said: said.min(axis=0), out_shardings=NamedSharding(mesh, REPEATED)
        )

    def ask(self, *yes: bool) -> Any:
        """One answer a question, in an array that is there once the devices get to it.

        They get to it after what they were given before, and before what they are given
        then: so the answer is known while the next update runs.
        """
        if jax.process_count() == 1:
            return np.array(yes)
        said = np.tile(np.int32(yes), (jax.local_device_count(), 1))
        return self._count(
            jax.make_array_from_process_local_data(self._by_device, said)
        )


def agreed(yes: bool) -> bool:
    """Whether each process says so; waits for all of them."""
    if jax.process_count() == 1:
        return yes
    return bool(multihost_utils.process_allgather(jnp.int32(yes)).all())


def largest(number: int) -> int:
    """Of the numbers that the processes have; waits for all of them."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.process_allgather(jnp.int32(number)).max())

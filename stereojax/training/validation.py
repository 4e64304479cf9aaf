"""What the sampler makes of held-out samples, on all devices at once."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from stereojax.shapes import Array, Float, Key
from stereojax.training.input.pipeline import NAMES
from stereojax.training.parameters import Structure
from stereojax.training.sharding import REPEATED, SAMPLES, named, put
from stereojax.training.state import TrainState, partition
from stereojax.training.step import INDEX, Batch, gathered


@runtime_checkable
class Validate(Protocol):
    """Samples and a key each to numbers, and a picture in [0, 1], one a sample."""

    def __call__(
        self, model: Any, batch: Batch, keys: Key[Array, " b"]
    ) -> tuple[dict[str, Float[Array, " b"]], Float[Array, "b h w 3"]]: ...


def make_validation(
    structure: Structure,
    validate: Validate,
    mesh: Mesh,
    state: TrainState,
    samples: Mapping[str, np.ndarray],
) -> Callable[[TrainState], tuple[dict[str, float], np.ndarray]]:
    """A function of the state: means over the samples, and pictures one over another.

    A sample for which a number is not finite (it has no hole) does not count there.
    """
    count = len(samples[INDEX])
    # As many as the devices divide: the first ones again, whose numbers are dropped.
    whole = math.ceil(count / mesh.size) * mesh.size
    padded = {
        name: np.resize(x, (whole, *x.shape[1:]))
        for name, x in samples.items()
        if name != NAMES
    }
    batch = {name: put(x, named(mesh, SAMPLES)) for name, x in padded.items()}
    specs = partition(state, mesh)

    def local(trainable, frozen, rng, batch):
        arrays = gathered(trainable, specs.trainable) | gathered(frozen, specs.frozen)
        # Not the keys of any training sample.
        keys = jax.vmap(functools.partial(jax.random.fold_in, rng))(
            jnp.uint32(2**32 - 1) - batch[INDEX].astype("uint32")
        )
        return validate(structure.model(arrays), batch, keys)

    spread = jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(specs.trainable, specs.frozen, REPEATED, SAMPLES),
        out_specs=(SAMPLES, SAMPLES),
        check_vma=False,
    )
    run = jax.jit(spread, out_shardings=named(mesh, REPEATED))

    def measure(state: TrainState) -> tuple[dict[str, float], np.ndarray]:
        numbers, pictures = run(state.trainable, state.frozen, state.rng, batch)
        means = {name: _mean(np.asarray(x)[:count]) for name, x in numbers.items()}
        shown = np.asarray(pictures)[: min(count, 4)]
        shown = np.rint(255 * shown).astype(np.uint8)
        return means, shown.reshape(-1, *shown.shape[2:])

    return measure


def _mean(x: np.ndarray) -> float:
    finite = x[np.isfinite(x)]
    return float(finite.mean()) if finite.size else math.nan

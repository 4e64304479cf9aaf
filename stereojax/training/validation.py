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
from stereojax.training.sharding import REPEATED, SAMPLES, named, put
from stereojax.training.state import TrainState, partition
from stereojax.training.step import INDEX, Batch, gathered
from stereojax.weights.structure import ModelStructure

SHOWN = 4  # samples in the picture


@runtime_checkable
class Validate(Protocol):
    """Samples and a key each to numbers, and a picture in [0, 1], one a sample."""

    def __call__(
        self, model: Any, batch: Batch, keys: Key[Array, " b"]
    ) -> tuple[dict[str, Float[Array, " b"]], Float[Array, "b h w 3"]]: ...


def make_validation(
    structure: ModelStructure,
    validate: Validate,
    mesh: Mesh,
    state: TrainState,
    samples: Mapping[str, np.ndarray],
) -> Callable[[TrainState], tuple[dict[str, float], np.ndarray]]:
    """A function of the state: means over the samples, and pictures one over another.

    Each device has one sample at a time: the memory does not grow with their number.
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
    run = make_judge(structure, validate, mesh, state)

    def measure(state: TrainState) -> tuple[dict[str, float], np.ndarray]:
        parts = []
        for at in range(0, whole, mesh.size):
            some = {
                name: put(x[at : at + mesh.size], named(mesh, SAMPLES))
                for name, x in padded.items()
            }
            found = run(state.trainable, state.frozen, state.rng, some)
            parts.append(jax.tree.map(np.asarray, found))
        numbers, pictures = jax.tree.map(lambda *x: np.concatenate(x), *parts)
        means = {name: _mean(x[:count]) for name, x in numbers.items()}
        shown = np.rint(255 * pictures[: min(count, SHOWN)]).astype(np.uint8)
        return means, shown.reshape(-1, *shown.shape[2:])

    return measure


def make_judge(
    structure: ModelStructure, validate: Validate, mesh: Mesh, state: TrainState
) -> Callable[..., tuple[dict[str, Array], Array]]:
    """(trainable, frozen, rng, batch) to what `validate` says; compiled at first call.

    Args:
      state: of shapes, with or without arrays.
    """
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
    return jax.jit(spread, out_shardings=named(mesh, REPEATED))


def _mean(x: np.ndarray) -> float:
    finite = x[np.isfinite(x)]
    return float(finite.mean()) if finite.size else math.nan

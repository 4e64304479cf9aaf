"""Runs the task's validation on held-out samples, and averages the metrics."""

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
from stereojax.training.sharding import BATCH, REPLICATED, named_shardings, put_array
from stereojax.training.state import TrainState, state_specs
from stereojax.training.step import INDEX, Batch, all_gather_params
from stereojax.weights.structure import ModelStructure

SHOWN = 4  # samples in the validation image


@runtime_checkable
class Validate(Protocol):
    """Returns each sample's metrics, and an image of it in [0, 1]."""

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
    """Returns a function from the state to mean metrics and an image, (h, w, 3) uint8.

    Each device takes one sample at a time, so memory does not grow with their number.
    A mean leaves out samples whose metric is not finite, such as those without a hole.
    """
    count = len(samples[INDEX])
    # Pad with the first samples up to a multiple of the devices; drop their results.
    padded_count = math.ceil(count / mesh.size) * mesh.size
    padded = {
        name: np.resize(x, (padded_count, *x.shape[1:]))
        for name, x in samples.items()
        if name != NAMES
    }
    step = make_validation_step(structure, validate, mesh, state)
    sharding = named_shardings(mesh, BATCH)

    def measure(state: TrainState) -> tuple[dict[str, float], np.ndarray]:
        results = []
        for start in range(0, padded_count, mesh.size):
            batch = {
                name: put_array(x[start : start + mesh.size], sharding)
                for name, x in padded.items()
            }
            result = step(state.trainable, state.frozen, state.rng, batch)
            results.append(jax.tree.map(np.asarray, result))
        metrics, images = jax.tree.map(lambda *x: np.concatenate(x), *results)
        means = {name: _finite_mean(x[:count]) for name, x in metrics.items()}
        shown = np.rint(255 * images[: min(count, SHOWN)]).astype(np.uint8)
        return means, shown.reshape(-1, *shown.shape[2:])

    return measure


def make_validation_step(
    structure: ModelStructure, validate: Validate, mesh: Mesh, state: TrainState
) -> Callable[..., tuple[dict[str, Array], Array]]:
    """Returns the jitted `validate` of (trainable, frozen, rng, batch), over the mesh.

    Args:
      state: arrays or shapes; only the shapes are read.
    """
    specs = state_specs(state, mesh)

    def local(trainable, frozen, rng, batch):
        arrays = all_gather_params(trainable, specs.trainable)
        arrays |= all_gather_params(frozen, specs.frozen)
        # Count down from the largest index, so that no training sample has these keys.
        keys = jax.vmap(functools.partial(jax.random.fold_in, rng))(
            jnp.uint32(2**32 - 1) - batch[INDEX].astype("uint32")
        )
        return validate(structure.model(arrays), batch, keys)

    sharded = jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(specs.trainable, specs.frozen, REPLICATED, BATCH),
        out_specs=(BATCH, BATCH),
        check_vma=False,  # the networks' custom VJP rules do not support it
    )
    return jax.jit(sharded, out_shardings=named_shardings(mesh, REPLICATED))


def _finite_mean(x: np.ndarray) -> float:
    finite = x[np.isfinite(x)]
    return float(finite.mean()) if finite.size else math.nan

"""One training update: gradients per device, reduce-scattered to parameter shards.

Each device all-gathers the parameters and then runs the single-device program on its
own samples. The gradients are reduce-scattered, so that each device updates its own
shard. Both collectives run once per update, for any number of microbatches.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec

from stereojax.shapes import Array, Float, Key, Shaped
from stereojax.training.sharding import (
    BATCH,
    DATA,
    FSDP,
    REPLICATED,
    fsdp_axis,
    named_shardings,
)
from stereojax.training.state import TrainState, state_specs
from stereojax.weights.structure import ModelStructure

Batch = Mapping[str, Shaped[Array, "b ..."]]
INDEX = (
    "index"  # key of a batch: the samples' numbers, counted from 0 over the whole run
)


@runtime_checkable
class Loss(Protocol):
    """Returns each sample's loss, and a dictionary of per-sample metrics."""

    def __call__(
        self, model: Any, batch: Batch, keys: Key[Array, " b"]
    ) -> tuple[Float[Array, " b"], dict[str, Float[Array, " b"]]]: ...


@runtime_checkable
class Encode(Protocol):
    """Encodes a batch; a `Loss` accepts the result in place of the batch."""

    def __call__(
        self, model: Any, batch: Batch
    ) -> dict[str, Shaped[Array, "b ..."]]: ...


def make_step(
    structure: ModelStructure,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    state: TrainState,
    *,
    accumulate: int = 1,
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, Array]]]:
    """Returns the jitted update, from (state, batch) to (next state, metrics).

    The metrics are the scalars `loss` and `gradient_norm`, and one value per sample in
    `losses`, `index` and the metrics of `loss`. The state is donated.

    Args:
      state: arrays or shapes; only the shapes are read.
      accumulate: microbatches per device and update.
    """
    gradients = make_gradients(structure, loss, mesh, state, accumulate=accumulate)

    def step(
        state: TrainState, batch: Batch
    ) -> tuple[TrainState, dict[str, Shaped[Array, "..."]]]:
        grads, losses, metrics = gradients(
            state.trainable, state.frozen, state.rng, batch
        )
        updates, moments = optimizer.update(grads, state.optimizer, state.trainable)
        next_state = TrainState(
            state.step + 1,
            state.rng,
            optax.apply_updates(state.trainable, updates),
            moments,
            state.frozen,
        )
        norm = optax.tree.norm(grads)
        return next_state, {
            **metrics,
            INDEX: batch[INDEX],
            "losses": losses,
            "loss": losses.mean(),
            "gradient_norm": norm,
        }

    state_shardings = named_shardings(mesh, state_specs(state, mesh))
    replicated = named_shardings(mesh, REPLICATED)
    return jax.jit(step, donate_argnums=0, out_shardings=(state_shardings, replicated))


def make_gradients(
    structure: ModelStructure,
    loss: Loss,
    mesh: Mesh,
    state: TrainState,
    *,
    accumulate: int = 1,
) -> Callable[..., tuple[dict[str, Array], Array, dict[str, Array]]]:
    """Returns a function (trainable, frozen, rng, batch) -> (grads, losses, metrics).

    The gradients are those of the mean loss, sharded like the parameters. The losses
    and the metrics are per sample.
    """
    specs = state_specs(state, mesh)
    microbatch = _microbatch_gradients(structure, loss)

    def device_gradients(shards, frozen, rng, batch):
        """Runs on each device, inside `shard_map`."""
        params = all_gather_params(shards, specs.trainable)
        frozen = all_gather_params(frozen, specs.frozen)
        if accumulate == 1:
            grads, losses, metrics = microbatch(params, frozen, rng, batch)
        else:

            def add(total, batch):
                grads, *per_sample = microbatch(params, frozen, rng, batch)
                return jax.tree.map(jnp.add, total, grads), per_sample

            microbatches = jax.tree.map(
                lambda x: x.reshape(accumulate, -1, *x.shape[1:]), dict(batch)
            )
            zeros = jax.tree.map(jnp.zeros_like, params)
            # XLA's CPU convolutions are a hundred times slower inside a loop.
            unroll = accumulate if jax.default_backend() == "cpu" else 1
            grads, per_sample = jax.lax.scan(add, zeros, microbatches, unroll=unroll)
            losses, metrics = jax.tree.map(jnp.ravel, tuple(per_sample))
        grads = reduce_scatter_grads(grads, specs.trainable)
        scale = 1 / (mesh.size * accumulate)  # sum of microbatch means to overall mean
        return jax.tree.map(lambda x: x * scale, grads), losses, metrics

    # The networks' custom VJP rules do not support check_vma.
    return jax.shard_map(
        device_gradients,
        mesh=mesh,
        in_specs=(specs.trainable, specs.frozen, REPLICATED, BATCH),
        out_specs=(specs.trainable, BATCH, BATCH),
        check_vma=False,
    )


def _microbatch_gradients(structure: ModelStructure, loss: Loss) -> Callable[..., Any]:
    """Returns a function that computes the gradients of one device's microbatch."""

    def gradients(
        params: dict[str, Array],
        frozen: dict[str, Array],
        rng: Key[Array, ""],
        batch: Batch,
    ):
        # A key per sample: the result does not depend on how samples are distributed.
        keys = jax.vmap(functools.partial(jax.random.fold_in, rng))(batch[INDEX])

        def mean_loss(params: dict[str, Array]):
            losses, metrics = loss(structure.model(params | frozen), batch, keys)
            return losses.mean(), (losses, metrics)

        grads, (losses, metrics) = jax.grad(mean_loss, has_aux=True)(params)
        return grads, losses, metrics

    return gradients


def all_gather_params(
    shards: dict[str, Array], specs: dict[str, PartitionSpec]
) -> dict[str, Array]:
    """All-gathers the parameters over `fsdp`, inside `shard_map`."""

    def gather(x: Array, spec: PartitionSpec) -> Array:
        axis = fsdp_axis(spec)
        return x if axis is None else jax.lax.all_gather(x, FSDP, axis=axis, tiled=True)

    return {name: gather(x, specs[name]) for name, x in shards.items()}


def reduce_scatter_grads(
    grads: dict[str, Array], specs: dict[str, PartitionSpec]
) -> dict[str, Array]:
    """Sums gradients over all devices; each device keeps its shard of the sum."""

    def reduce(x: Array, spec: PartitionSpec) -> Array:
        axis = fsdp_axis(spec)
        if axis is not None:
            x = jax.lax.psum_scatter(x, FSDP, scatter_dimension=axis, tiled=True)
        return jax.lax.psum(x, (DATA, FSDP) if axis is None else DATA)

    return {name: reduce(x, specs[name]) for name, x in grads.items()}

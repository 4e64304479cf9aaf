"""One update: gradients of every device's samples, summed to their owners.

Each device gathers whole parameters, so that it runs the very program that one device
alone would, on its own samples. Then the gradients are summed, and each device keeps
those of the part that it owns. Both happen once an update, whatever is accumulated.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec

from stereojax.shapes import Array, Float, Key, Shaped
from stereojax.training.sharding import DATA, FSDP, REPEATED, SAMPLES, named, split_axis
from stereojax.training.state import TrainState, partition
from stereojax.weights.structure import ModelStructure

Batch = Mapping[str, Shaped[Array, "b ..."]]
INDEX = "index"  # of a batch: the sample's number, 0, 1, ... over the whole run


@runtime_checkable
class Loss(Protocol):
    """Samples and a key each to losses, and other numbers, one a sample each."""

    def __call__(
        self, model: Any, batch: Batch, keys: Key[Array, " b"]
    ) -> tuple[Float[Array, " b"], dict[str, Float[Array, " b"]]]: ...


@runtime_checkable
class Encode(Protocol):
    """Samples to what a `Loss` takes in their place."""

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
    """A compiled function from a state and a batch to the next state and numbers.

    The numbers are `loss` and `gradient_norm`, and by sample those of the task,
    `losses` and `index`, the samples' own. The state given is donated.

    Args:
      state: of shapes, with or without arrays.
    """
    gradients = make_gradients(structure, loss, mesh, state, accumulate=accumulate)

    def step(
        state: TrainState, batch: Batch
    ) -> tuple[TrainState, dict[str, Shaped[Array, "..."]]]:
        slopes, losses, numbers = gradients(
            state.trainable, state.frozen, state.rng, batch
        )
        updates, moments = optimizer.update(slopes, state.optimizer, state.trainable)
        after = TrainState(
            state.step + 1,
            state.rng,
            optax.apply_updates(state.trainable, updates),
            moments,
            state.frozen,
        )
        norm = optax.tree.norm(slopes)
        return after, {
            **numbers,
            INDEX: batch[INDEX],
            "losses": losses,
            "loss": losses.mean(),
            "gradient_norm": norm,
        }

    shardings = named(mesh, partition(state, mesh))
    everywhere = named(mesh, REPEATED)
    return jax.jit(step, donate_argnums=0, out_shardings=(shardings, everywhere))


def make_gradients(
    structure: ModelStructure,
    loss: Loss,
    mesh: Mesh,
    state: TrainState,
    *,
    accumulate: int = 1,
) -> Callable[..., tuple[dict[str, Array], Array, dict[str, Array]]]:
    """(trainable, frozen, rng, batch) to (gradients of the mean loss, losses, numbers).

    Gradients lie as the parameters do.
    """
    specs = partition(state, mesh)
    trainable_specs, frozen_specs = specs.trainable, specs.frozen

    def part(
        whole: dict[str, Array],
        frozen: dict[str, Array],
        rng: Key[Array, ""],
        batch: Batch,
    ):
        keys = jax.vmap(functools.partial(jax.random.fold_in, rng))(batch[INDEX])

        def mean(whole: dict[str, Array]):
            losses, numbers = loss(structure.model(whole | frozen), batch, keys)
            return losses.mean(), (losses, numbers)

        slopes, (losses, numbers) = jax.grad(mean, has_aux=True)(whole)
        return slopes, losses, numbers

    def local(shards, frozen, rng, batch):
        whole = gathered(shards, trainable_specs)
        frozen = gathered(frozen, frozen_specs)
        if accumulate == 1:
            slopes, losses, numbers = part(whole, frozen, rng, batch)
        else:

            def add(total, batch):
                slopes, *numbers = part(whole, frozen, rng, batch)
                return jax.tree.map(jnp.add, total, slopes), numbers

            parts = jax.tree.map(
                lambda x: x.reshape(accumulate, -1, *x.shape[1:]), dict(batch)
            )
            zeros = jax.tree.map(jnp.zeros_like, whole)
            # In a loop, a CPU takes a hundred times as long for convolutions.
            unroll = accumulate if jax.default_backend() == "cpu" else 1
            slopes, (losses, numbers) = jax.lax.scan(add, zeros, parts, unroll=unroll)
            losses, numbers = jax.tree.map(jnp.ravel, (losses, numbers))
        slopes = _summed(slopes, trainable_specs)
        share = 1 / (mesh.size * accumulate)
        return jax.tree.map(lambda x: x * share, slopes), losses, numbers

    # Without the check of what varies, as custom rules in the networks know none.
    return jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(trainable_specs, frozen_specs, REPEATED, SAMPLES),
        out_specs=(trainable_specs, SAMPLES, SAMPLES),
        check_vma=False,
    )


def gathered(
    shards: dict[str, Array], specs: dict[str, PartitionSpec]
) -> dict[str, Array]:
    """Whole parameters, inside of `shard_map`."""

    def whole(x: Array, spec: PartitionSpec) -> Array:
        axis = split_axis(spec)
        return x if axis is None else jax.lax.all_gather(x, FSDP, axis=axis, tiled=True)

    return {name: whole(x, specs[name]) for name, x in shards.items()}


def _summed(
    slopes: dict[str, Array], specs: dict[str, PartitionSpec]
) -> dict[str, Array]:
    """Over all devices; of what is spread, each gets its own part."""

    def total(x: Array, spec: PartitionSpec) -> Array:
        axis = split_axis(spec)
        if axis is not None:
            x = jax.lax.psum_scatter(x, FSDP, scatter_dimension=axis, tiled=True)
        return jax.lax.psum(x, (DATA, FSDP) if axis is None else DATA)

    return {name: total(x, specs[name]) for name, x in slopes.items()}

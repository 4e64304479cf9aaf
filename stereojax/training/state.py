"""The state of training, and where each of its arrays lies."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec

from stereojax.training.rules import Rules, apply_rules
from stereojax.training.sharding import REPEATED, named, place, put
from stereojax.weights.structure import Arrays


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """All that changes from step to step, and what it needs beside it."""

    # Arrays, or in their places shapes, partitions or shardings.
    step: Any  # () int32: updates made
    rng: Any  # a key, folded with a sample's number: never changes
    trainable: dict[str, Any]  # float32
    optimizer: Any  # of `trainable` alone
    frozen: dict[str, Any]  # no gradients, no optimizer state


def divide(
    arrays: Mapping[str, Any], rules: Rules[bool]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what trains, what does not), by the rules.

    Raises:
      ValueError: a name that no rule covers.
    """
    trains = apply_rules(rules, arrays, what="training")
    return (
        {name: x for name, x in arrays.items() if trains[name]},
        {name: x for name, x in arrays.items() if not trains[name]},
    )


def abstract_state(
    trainable: Mapping[str, Any],
    frozen: Mapping[str, Any],
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
) -> TrainState:
    """Shapes, types and shardings of a state; also `optimizer`'s, by its names."""
    step = jax.ShapeDtypeStruct((), jnp.int32)
    rng = jax.eval_shape(lambda: jax.random.key(0))
    masters = {
        name: jax.ShapeDtypeStruct(x.shape, jnp.float32)
        for name, x in trainable.items()
    }
    held = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in frozen.items()}
    state = TrainState(
        step, rng, masters, jax.eval_shape(optimizer.init, masters), held
    )
    specs = named(mesh, partition(state, mesh))
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        state,
        specs,
    )


def partition(state: TrainState, mesh: Mesh) -> TrainState:
    """A tree of partitions in the place of the arrays."""
    where = place(state.trainable | state.frozen, mesh)

    def of(path: tuple, _: Any) -> PartitionSpec:
        # The optimizer's moments are dictionaries of the names of what they belong to.
        keys = [k.key for k in path if isinstance(k, jax.tree_util.DictKey)]
        return where[keys[-1]] if keys and keys[-1] in where else REPEATED

    return jax.tree_util.tree_map_with_path(of, state)


def make_state(
    trainable: Arrays,
    frozen: Arrays,
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    *,
    seed: int,
) -> TrainState:
    """The first state, on the devices; moments are made there."""
    like = abstract_state(trainable, frozen, optimizer, mesh)
    masters, held = (
        {
            name: put(given[name].astype(x.dtype), x.sharding)
            for name, x in wanted.items()
        }
        for given, wanted in ((trainable, like.trainable), (frozen, like.frozen))
    )
    sharding = jax.tree.map(lambda x: x.sharding, like.optimizer)
    moments = jax.jit(optimizer.init, out_shardings=sharding)(masters)
    rest = jax.jit(
        lambda: (jnp.int32(0), jax.random.key(seed)),
        out_shardings=(like.step.sharding, like.rng.sharding),
    )()
    return TrainState(*rest, masters, moments, held)

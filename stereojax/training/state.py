"""The training state, and the sharding of each of its arrays."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec

from stereojax.training.sharding import (
    REPLICATED,
    Rules,
    apply_rules,
    named_shardings,
    param_specs,
    put_array,
)
from stereojax.weights.structure import Arrays


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """The arrays that an update reads and writes.

    The same class also holds shapes, PartitionSpecs or shardings in their place.
    """

    step: Any  # () int32: updates so far
    rng: Any  # constant key; a sample's key is fold_in(rng, index of the sample)
    trainable: dict[str, Any]  # float32 parameters by name
    optimizer: Any  # optimizer state of `trainable`
    frozen: dict[str, Any]  # parameters without gradients, by name


def split_trainable(
    arrays: Mapping[str, Any], rules: Rules[bool]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns (trainable, frozen) parameters.

    Raises:
      ValueError: a name that no rule matches.
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
    """Returns the state's shapes, dtypes and shardings, without arrays."""
    step = jax.ShapeDtypeStruct((), jnp.int32)
    rng = jax.eval_shape(lambda: jax.random.key(0))
    trainable = {
        name: jax.ShapeDtypeStruct(x.shape, jnp.float32)
        for name, x in trainable.items()
    }
    frozen = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in frozen.items()
    }
    moments = jax.eval_shape(optimizer.init, trainable)
    state = TrainState(step, rng, trainable, moments, frozen)
    shardings = named_shardings(mesh, state_specs(state, mesh))
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        state,
        shardings,
    )


def state_specs(state: TrainState, mesh: Mesh) -> TrainState:
    """Returns a TrainState of PartitionSpecs."""
    specs = param_specs(state.trainable | state.frozen, mesh)

    def spec_of(path: tuple, _: Any) -> PartitionSpec:
        # Optimizer moments are dictionaries keyed by the names of their parameters.
        keys = [k.key for k in path if isinstance(k, jax.tree_util.DictKey)]
        return specs[keys[-1]] if keys and keys[-1] in specs else REPLICATED

    return jax.tree_util.tree_map_with_path(spec_of, state)


def make_state(
    trainable: Arrays,
    frozen: Arrays,
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    *,
    seed: int,
) -> TrainState:
    """Returns the initial state, created on the devices."""
    abstract = abstract_state(trainable, frozen, optimizer, mesh)
    trainable, frozen = (
        {
            name: put_array(arrays[name].astype(x.dtype), x.sharding)
            for name, x in shapes.items()
        }
        for arrays, shapes in (
            (trainable, abstract.trainable),
            (frozen, abstract.frozen),
        )
    )
    sharding = jax.tree.map(lambda x: x.sharding, abstract.optimizer)
    moments = jax.jit(optimizer.init, out_shardings=sharding)(trainable)
    step, rng = jax.jit(
        lambda: (jnp.int32(0), jax.random.key(seed)),
        out_shardings=(abstract.step.sharding, abstract.rng.sharding),
    )()
    return TrainState(step, rng, trainable, moments, frozen)

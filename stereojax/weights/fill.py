"""Puts loaded arrays into a network, strictly."""

from typing import Any, TypeVar

import jax.numpy as jnp
from flax import nnx

from stereojax.weights.problems import Problems

M = TypeVar("M", bound=nnx.Module)


def fill(model: M, state: dict[Any, Any], *, what: str) -> M:
    """`model` with the arrays of `state`, in the model's own types.

    Args:
      model: may be abstract (of `ops.abstract`); is not changed.
      state: nested as the model is; list entries are keyed by int.
      what: the part's name, for errors.

    Raises:
      InputError: every missing, misshapen or unused array, in one line.
    """
    graph, wanted = nnx.split(model)
    given = nnx.traversals.flatten_mapping(state)
    problems = Problems()
    filled = []
    for path, variable in nnx.to_flat_state(wanted):
        name = ".".join(map(str, path))
        array = given.pop(path, None)
        if array is None:
            problems.missing(name, variable.shape)
        elif array.shape != variable.shape:
            problems.misshapen(name, array.shape, variable.shape)
        else:
            filled.append((path, variable.replace(jnp.asarray(array, variable.dtype))))
    for path, array in given.items():
        problems.unused(".".join(map(str, path)), array.shape)
    problems.check(f"loading {what}")
    return nnx.merge(graph, nnx.from_flat_state(filled))

"""Loads networks from converted weights, strictly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.cli import InputError
from stereojax.weights.names import State, flatten
from stereojax.weights.part import load
from stereojax.weights.strict import check_arrays
from stereojax.weights.structure import split

Network = TypeVar("Network", bound=nnx.Module)


def load_network(
    folder: Path, network: type[Network], build: Callable[[dict[str, Any]], Network]
) -> tuple[Network, dict[str, Any]]:
    """Returns a network with the weights of a part, and the part's config.

    Args:
      folder: the part's folder.
      network: the class that the part's config must name.
      build: builds the network, abstract or not, from the config's sizes.

    Raises:
      InputError: the part is absent, damaged or of another class, or an array is
        missing, unused or wrongly shaped.
    """
    config, state = load(folder)
    check_class(config, network, folder)
    return load_state(build(config["sizes"]), state, what=config["part"]), config


def check_class(config: dict[str, Any], network: type, folder: object) -> None:
    """Raises InputError if a part's config names another class than `network`."""
    if config["class"] != network.__name__:
        raise InputError(
            f"{folder}: weights of {config['class']}, expected {network.__name__}"
        )


def load_state(model: Network, state: State, *, what: str) -> Network:
    """Returns `model` with the arrays of `state`, converted to the model's dtypes.

    Args:
      model: the network, abstract or not; it is not changed.
      state: its arrays, nested like the model.
      what: the part's name, for the error.

    Raises:
      InputError: lists every missing, unused or wrongly shaped array.
    """
    structure, expected = split(model)
    arrays = check_arrays(flatten(state), expected, what=what)
    return structure.model(
        {
            name: jnp.asarray(array, expected[name].dtype)
            for name, array in arrays.items()
        }
    )


def compute_dtype(name: Dtype | None = None) -> Dtype:
    """Returns the dtype to compute in.

    For None and "auto" it is float32 on a CPU and bfloat16 on accelerators.
    """
    if name is None or name == "auto":
        return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    return jnp.dtype(name)

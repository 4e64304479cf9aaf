"""The network and conversion table that were detected for a checkpoint."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx

from convert_weights.engine import Table
from stereojax.cli import InputError
from stereojax.weights.strict import Shape


@dataclasses.dataclass(frozen=True)
class DetectedModel:
    """The network that a checkpoint was recognised as, and its conversion table."""

    part: str  # converted network's name, such as svd/unet
    sizes: dict[str, Any]  # fields of the network's config, for config.json
    table: Table
    build: Callable[[nnx.Rngs], nnx.Module]  # called for the shapes only
    # Names of other networks with the same tensors; `--model` selects one.
    alternatives: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        part: str,
        network: Callable[..., nnx.Module],  # called as network(config, rngs=rngs)
        config: Any,
        table: Table,
        *,
        alternatives: tuple[str, ...] = (),
    ) -> "DetectedModel":
        """Describes the network of a config dataclass."""
        sizes = dataclasses.asdict(config)
        return cls(
            part, sizes, table, lambda rngs: network(config, rngs=rngs), alternatives
        )


def preset_name(config: Any, presets: Mapping[str, Any], family: str) -> str:
    """Returns the name of the preset that equals `config`, else the family's name."""
    return next((name for name, preset in presets.items() if preset == config), family)


def shape_of(
    name: str, shapes: Mapping[str, Shape], *, label: str, axes: int = 4
) -> Shape:
    """Returns the shape of a tensor from which the network's sizes are read.

    Raises:
      InputError: the tensor is missing or has another number of axes.
    """
    shape = shapes.get(name, ())
    if len(shape) != axes:
        problem = f"of shape {shape}" if name in shapes else "missing"
        raise InputError(f"{label}: {name}, which gives the sizes, is {problem}")
    return shape

"""Splits a model into its static structure and its arrays by dotted name."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import nnx

from stereojax.shapes import Array, Shaped

Arrays = Mapping[str, Shaped[Array | np.ndarray, "..."]]


@dataclasses.dataclass(frozen=True)
class ModelStructure:
    """A model without its arrays: hashable, so it can be static under `jax.jit`."""

    graph: nnx.GraphDef
    paths: tuple[tuple[str | int, ...], ...]
    kinds: tuple[type, ...]  # subclasses of nnx.Variable

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(".".join(map(str, path)) for path in self.paths)

    def model(self, arrays: Arrays) -> Any:
        """Returns the model with these arrays."""
        flat = [
            (path, kind(arrays[name]))
            for name, path, kind in zip(self.names, self.paths, self.kinds, strict=True)
        ]
        return nnx.merge(self.graph, nnx.from_flat_state(flat))


def split(model: nnx.Module) -> tuple[ModelStructure, dict[str, Any]]:
    """Splits a model, abstract or not, into its structure and its arrays by name."""
    graph, state = nnx.split(model)
    flat = list(nnx.to_flat_state(state))
    structure = ModelStructure(
        graph,
        tuple(path for path, _ in flat),
        tuple(type(variable) for _, variable in flat),
    )
    values = (variable.get_value() for _, variable in flat)
    return structure, dict(zip(structure.names, values, strict=True))

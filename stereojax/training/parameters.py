"""A model as its structure and named arrays: `unet.conv_in.kernel`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import nnx

from stereojax.shapes import Array, Shaped

Arrays = Mapping[str, Shaped[Array | np.ndarray, "..."]]


@dataclasses.dataclass(frozen=True)
class Structure:
    """What is left of a model without its arrays; hashable."""

    graph: nnx.GraphDef
    paths: tuple[tuple[str | int, ...], ...]
    kinds: tuple[type, ...]  # of nnx.Variable

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(".".join(map(str, path)) for path in self.paths)

    def model(self, arrays: Arrays) -> Any:
        """The model with these arrays."""
        flat = [
            (path, kind(arrays[name]))
            for name, path, kind in zip(self.names, self.paths, self.kinds, strict=True)
        ]
        return nnx.merge(self.graph, nnx.from_flat_state(flat))


def split(model: nnx.Module) -> tuple[Structure, dict[str, Any]]:
    """The structure of a model, abstract or not, and its arrays by name."""
    graph, state = nnx.split(model)
    flat = list(nnx.to_flat_state(state))
    structure = Structure(
        graph,
        tuple(path for path, _ in flat),
        tuple(type(variable) for _, variable in flat),
    )
    values = (variable.get_value() for _, variable in flat)
    return structure, dict(zip(structure.names, values, strict=True))


def nested(arrays: Arrays, prefix: str) -> dict[Any, Any]:
    """The arrays below `prefix`, nested as a part's file has them."""
    state: dict[Any, Any] = {}
    for name, array in arrays.items():
        if not name.startswith(f"{prefix}."):
            continue
        *path, last = [
            int(key) if key.isdigit() else key for key in name.split(".")[1:]
        ]
        node = state
        for key in path:
            node = node.setdefault(key, {})
        node[last] = array
    return state

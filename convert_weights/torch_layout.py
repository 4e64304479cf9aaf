"""How torch stores each array of a Flax network: its name, and its axes.

General, by the kind of layer, so that a model's table lists only true renames.
"""

import dataclasses

import numpy as np
from flax import nnx

_NORMS = (nnx.LayerNorm, nnx.GroupNorm)


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One array of a network."""

    path: tuple[str | int, ...]  # in the network
    name: str  # as torch calls it
    shape: tuple[int, ...]  # as torch has it
    axes: tuple[int, ...]  # of torch's tensor, in our order
    flip: bool = False  # the spatial axes run backwards

    def from_torch(self, tensor: np.ndarray) -> np.ndarray:
        """A contiguous copy in our layout."""
        ours = tensor.transpose(self.axes)
        return np.array(np.flip(ours, (0, 1)) if self.flip else ours, order="C")

    def to_torch(self, array: np.ndarray) -> np.ndarray:
        """A contiguous copy in torch's layout: `from_torch` undone."""
        ours = np.flip(array, (0, 1)) if self.flip else array
        return np.array(ours.transpose(np.argsort(self.axes)), order="C")


def leaves(model: nnx.Module) -> list[Leaf]:
    """Every array of `model`, which may be abstract (of `ops.abstract`)."""
    modules = dict(nnx.iter_modules(model))
    return [
        _leaf(path, variable.shape, modules[path[:-1]])
        for path, variable in nnx.to_flat_state(nnx.state(model))
    ]


def _leaf(path: tuple, shape: tuple[int, ...], owner: nnx.Module) -> Leaf:
    *prefix, attribute = path
    name, axes, flip = attribute, tuple(range(len(shape))), False
    match owner, attribute:
        case nnx.Linear(), "kernel":
            name, axes = "weight", (1, 0)
        case nnx.Conv(), "kernel":  # (out, in, *spatial) to (*spatial, in, out)
            name, axes = "weight", (*range(2, len(shape)), 1, 0)
        case nnx.ConvTranspose(), "kernel":  # (in, out, h, w) to (h, w, in, out)
            name, axes, flip = "weight", (2, 3, 0, 1), True
        case nnx.LayerNorm() | nnx.GroupNorm() | nnx.BatchNorm(), "scale":
            name = "weight"
        case nnx.BatchNorm(), "mean" | "var":
            name = f"running_{attribute}"
        case nnx.Embed(), "embedding":
            name = "weight"
        case _, "kernel" | "scale" | "embedding":
            raise TypeError(f"no rule for {attribute} of {type(owner).__name__}")
    torch_shape = tuple(shape[axes.index(i)] for i in range(len(shape)))
    return Leaf(path, ".".join(map(str, (*prefix, name))), torch_shape, axes, flip)

"""Maps each array of a Flax network to its name and axis order in PyTorch.

The rules depend on the type of the layer only, so that a model's conversion table lists
true renames only.
"""

import dataclasses

import numpy as np
from flax import nnx


@dataclasses.dataclass(frozen=True)
class TorchLayout:
    """The PyTorch layout of one array of a network."""

    path: tuple[str | int, ...]  # in the Flax network's state
    name: str  # in PyTorch's state dict
    shape: tuple[int, ...]  # in PyTorch
    axes: tuple[int, ...]  # `transpose` argument from PyTorch to Flax
    flip: bool = False  # whether the spatial axes are reversed

    def from_torch(self, tensor: np.ndarray) -> np.ndarray:
        """Returns a contiguous copy in Flax's layout."""
        array = tensor.transpose(self.axes)
        return np.array(np.flip(array, (0, 1)) if self.flip else array, order="C")

    def to_torch(self, array: np.ndarray) -> np.ndarray:
        """Returns a contiguous copy in PyTorch's layout; inverts `from_torch`."""
        array = np.flip(array, (0, 1)) if self.flip else array
        return np.array(array.transpose(np.argsort(self.axes)), order="C")


def torch_layouts(model: nnx.Module) -> list[TorchLayout]:
    """Returns the layout of every array of `model`, which may be abstract."""
    modules = dict(nnx.iter_modules(model))
    return [
        _layout(path, variable.shape, modules[path[:-1]])
        for path, variable in nnx.to_flat_state(nnx.state(model))
    ]


def _layout(path: tuple, shape: tuple[int, ...], module: nnx.Module) -> TorchLayout:
    *prefix, attribute = path
    name, axes, flip = attribute, tuple(range(len(shape))), False
    match module, attribute:
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
            raise TypeError(f"no rule for {attribute} of {type(module).__name__}")
    torch_shape = tuple(shape[axes.index(i)] for i in range(len(shape)))
    full_name = ".".join(map(str, (*prefix, name)))
    return TorchLayout(path, full_name, torch_shape, axes, flip)

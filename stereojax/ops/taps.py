"""Separable resizing: each output sample is a weighted sum of a few input samples.

The indices and weights are a sparse matrix per axis. `bilinear` and `bicubic` compute
it with numpy, and it is a constant of the compiled code.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Shaped


@dataclasses.dataclass(frozen=True, eq=False)
class Taps:
    """One axis of a resize, from `size` to `len(index)` samples."""

    size: int
    index: np.ndarray  # (out, taps) int: indices of the input samples
    weight: np.ndarray  # (out, taps) float64

    def matrix(self) -> np.ndarray:
        """Returns the taps as a dense (out, in) matrix, float64."""
        dense = np.zeros((len(self.index), self.size))
        rows = np.arange(len(self.index))[:, None]
        np.add.at(dense, (rows, self.index), self.weight)
        return dense


def clamped(size: int, first: np.ndarray, weight: np.ndarray) -> Taps:
    """Returns taps at `first`, `first + 1`, ...; edge samples repeat outside."""
    index = first[:, None] + np.arange(weight.shape[1])
    return Taps(size, np.clip(index, 0, size - 1), weight)


def resize(
    x: Shaped[Array, "*b h w c"], rows: Taps, columns: Taps
) -> Shaped[Array, "*b h2 w2 c"]:
    """Resizes pictures; sums in float32 or wider, returns the type of `x`."""
    return _along(_along(x, rows, -3), columns, -2)


def _along(x: Array, taps: Taps, axis: int) -> Array:
    size = x.shape[axis]
    if size != taps.size:
        raise ValueError(f"axis {axis} has {size} samples, expected {taps.size}")
    compute = jnp.promote_types(x.dtype, jnp.float32)
    shape = [1] * x.ndim
    shape[axis] = len(taps.index)
    # Gathers instead of a matrix product: 2 or 4 reads per sample instead of `size`,
    # ten times faster on a CPU, and no accelerator rounds the operands to bfloat16.
    total = sum(
        jnp.take(x, index, axis=axis, mode="clip").astype(compute)
        * weight.reshape(shape).astype(compute)
        for index, weight in zip(taps.index.T, taps.weight.T, strict=True)
    )
    return total.astype(x.dtype)

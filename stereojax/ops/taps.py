"""Separable resizing: each output sample is a weighted sum of a few input samples.

Which samples, with which weights, is known before anything runs: a sparse matrix per
axis, made with numpy by `bilinear` and `bicubic`, and a constant of the compiled code.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Shaped


@dataclasses.dataclass(frozen=True, eq=False)
class Taps:
    """One axis of a resize, from `size` to `len(index)` samples."""

    size: int
    index: np.ndarray  # (out, taps) int: the samples that are read
    weight: np.ndarray  # (out, taps) float64

    def matrix(self) -> np.ndarray:
        """The same as a dense (out, in) matrix, float64."""
        dense = np.zeros((len(self.index), self.size))
        rows = np.arange(len(self.index))[:, None]
        np.add.at(dense, (rows, self.index), self.weight)
        return dense


def clamped(size: int, first: np.ndarray, weight: np.ndarray) -> Taps:
    """Taps at `first`, `first + 1`, ...; beyond an edge the edge sample repeats."""
    index = first[:, None] + np.arange(weight.shape[1])
    return Taps(size, np.clip(index, 0, size - 1), weight)


def resize(
    x: Shaped[Array, "*b h w c"], rows: Taps, columns: Taps
) -> Shaped[Array, "*b h2 w2 c"]:
    """Resizes the picture; sums in float32 at least, result in the type of `x`."""
    return _along(_along(x, rows, -3), columns, -2)


def _along(x: Array, taps: Taps, axis: int) -> Array:
    size = x.shape[axis]
    if size != taps.size:
        raise ValueError(f"axis {axis} has {size} samples where {taps.size} are needed")
    compute = jnp.promote_types(x.dtype, jnp.float32)
    shape = [1] * x.ndim
    shape[axis] = len(taps.index)
    # Gathers, not a matrix product: 2 or 4 reads a sample instead of `size`, ten times
    # faster on a CPU, and no accelerator rounds the operands to bfloat16 on the way.
    total = sum(
        jnp.take(x, index, axis=axis, mode="clip").astype(compute)
        * weight.reshape(shape).astype(compute)
        for index, weight in zip(taps.index.T, taps.weight.T, strict=True)
    )
    return total.astype(x.dtype)

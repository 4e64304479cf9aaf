"""Row extension: each hole takes what its row shows beside it."""

import math

import jax.numpy as jnp
from jax import lax

from stereojax.inpaint.shift import neighbor
from stereojax.shapes import Array, Bool, Float, Int


def extend_rows(
    colors: Float[Array, "c h w"],
    hole: Bool[Array, "h w"],
    *,
    reach: float,
) -> tuple[Float[Array, "c h w"], Float[Array, "h w"], Bool[Array, "h w"]]:
    """Extends the background into the hole, along the rows.

    In a right view the nearer surface has moved further to the left, so the background
    of an interior hole lies at its right; only a hole that reaches the frame's right
    edge takes what is at its left. A row without any known pixel is as the nearest row
    with one; a picture without any is mid-grey.

    Args:
      colors: the picture; what it holds in the hole is not read.
      hole: which pixels are to be filled.
      reach: pixels over which the known colours beside the hole are averaged, with
        exponentially falling weights: a single column of pixels is noisy, and at a
        silhouette it is often a mixture of both surfaces.

    Returns:
      The filled picture; each hole pixel's distance in pixels to what it was taken
      from; and which of them were taken from the right.
    """
    width = hole.shape[1]
    known = ~hole
    x = jnp.arange(width, dtype=jnp.int32)[None]
    at_right = lax.cummin(jnp.where(known, x, width), axis=1, reverse=True)
    at_left = lax.cummax(jnp.where(known, x, -1), axis=1)
    from_right = at_right < width
    source = jnp.clip(jnp.where(from_right, at_right, at_left), 0, width - 1)
    rightward = _take(_mean_ahead(colors, known, reach, 1), source)
    leftward = _take(_mean_ahead(colors, known, reach, -1), source)
    extended = jnp.where(from_right, rightward, leftward)
    distance = jnp.abs(source - x).astype(jnp.float32)
    row = _nearest_row(known.any(axis=1))
    extended = jnp.where(known.any(), extended[:, row], 0.5)
    return jnp.where(hole, extended, colors), distance, from_right


def _take(
    values: Float[Array, "c h w"], columns: Int[Array, "h w"]
) -> Float[Array, "c h w"]:
    return jnp.take_along_axis(values, columns[None], axis=2)


def _mean_ahead(
    colors: Float[Array, "c h w"],
    known: Bool[Array, "h w"],
    reach: float,
    direction: int,
) -> Float[Array, "c h w"]:
    """The mean of the known pixels from each one onwards, exp(-distance / reach)."""
    weight = known.astype(colors.dtype)
    total = jnp.concatenate([colors * weight, weight[None]])
    # Sums over 1, 2, 4, ... pixels, each of two of the sums before it.
    for level in range(max(1, math.ceil(math.log2(4 * reach)))):
        step = 2**level
        decay = math.exp(-step / reach)
        total = total + decay * neighbor(total, 0, direction * step)
        # Or the compiler merges the levels and computes each pixel 2 ** n times.
        total = lax.optimization_barrier(total)
    return total[:-1] / jnp.maximum(total[-1:], jnp.finfo(colors.dtype).tiny)


def _nearest_row(valid: Bool[Array, "h"]) -> Int[Array, "h"]:
    """For each row, the nearest one that is valid; ties go up."""
    y = jnp.arange(valid.shape[0], dtype=jnp.int32)
    above = lax.cummax(jnp.where(valid, y, -1))
    below = lax.cummin(jnp.where(valid, y, 2 * len(y)), reverse=True)
    up = (above >= 0) & (y - above <= below - y)
    return jnp.clip(jnp.where(up, above, below), 0, len(y) - 1)

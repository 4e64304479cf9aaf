"""Row extension: fills each hole with the known colours beside it in its row."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Bool, Float, Int


def extend_rows(
    colors: Float[Array, "c h w"],
    hole: Bool[Array, "h w"],
    *,
    reach: float,
) -> tuple[Float[Array, "c h w"], Float[Array, "h w"], Bool[Array, "h w"]]:
    """Extends the background into the hole, along the rows.

    In a right view the nearer surface has moved further to the left, so the background
    of an inner hole is at its right; only a hole at the frame's right edge is filled
    from its left. A row without any known pixel copies the nearest row with one; a
    picture without any known pixel becomes mid-grey.

    Args:
      colors: the picture; its values in the hole are not read.
      hole: the pixels to fill.
      reach: pixels over which the known colours beside the hole are averaged, with
        exponentially falling weights: a single column of pixels is noisy, and at a
        silhouette it is often a mixture of both surfaces.

    Returns:
      The filled picture; each hole pixel's distance in pixels to the known pixel that
      it was filled from; and the pixels that were filled from the right.
    """
    decay = math.exp(-1 / reach)
    rightward, to_right, from_right = _next_known(colors, hole, decay, reverse=True)
    leftward, to_left, _ = _next_known(colors, hole, decay, reverse=False)
    extended = jnp.where(from_right, rightward, leftward)
    distance = jnp.where(from_right, to_right, to_left)
    row = _nearest_row(jnp.any(~hole, axis=1))
    extended = jnp.where(jnp.any(~hole), extended[:, row], 0.5)
    return jnp.where(hole, extended, colors), distance, from_right


def _next_known(
    colors: Float[Array, "c h w"],
    hole: Bool[Array, "h w"],
    decay: float,
    *,
    reverse: bool,
) -> tuple[Float[Array, "c h w"], Float[Array, "h w"], Bool[Array, "h w"]]:
    """Averages the known pixels of a row, from each pixel's next known one on.

    Rightwards if `reverse`, else leftwards. A known pixel n columns after the next one
    has the weight decay ** n.

    Returns:
      The mean; the distance to the next known pixel; and whether one exists.
    """
    columns = lax.optimization_barrier(jnp.transpose(colors, (2, 0, 1)))

    def step(carry, column):
        total, weight, mean, distance = carry
        color, hole = column
        total = decay * total + jnp.where(hole, 0, color)
        weight = decay * weight + jnp.where(hole, 0, 1)
        # The mean is kept through a hole, in which total and weight may fall to 0.
        mean = jnp.where(hole, mean, total / jnp.maximum(weight, 1))
        distance = jnp.where(hole, distance + 1, 0)
        return (total, weight, mean, distance), (mean, distance)

    c, height, width = colors.shape
    none, empty = jnp.zeros(height), jnp.zeros((c, height))
    # Before the first known pixel the distance is the width or more.
    carry = (empty, none, empty, none + width)
    # Accelerators pay for each iteration; a CPU pays only for compiling more.
    unroll = 1 if jax.default_backend() == "cpu" else 8
    _, (mean, distance) = lax.scan(
        step, carry, (columns, hole.T), reverse=reverse, unroll=unroll
    )
    distance = distance.T
    return jnp.transpose(mean, (1, 2, 0)), distance, distance < width


def _nearest_row(valid: Bool[Array, "h"]) -> Int[Array, "h"]:
    """Returns for each row the nearest valid row; of two as near, the upper one."""
    y = jnp.arange(valid.shape[0], dtype=jnp.int32)
    above = lax.cummax(jnp.where(valid, y, -1))
    below = lax.cummin(jnp.where(valid, y, 2 * len(y)), reverse=True)
    up = (above >= 0) & (y - above <= below - y)
    return jnp.clip(jnp.where(up, above, below), 0, len(y) - 1)

"""The gather that the Pallas kernels share: one pass over the shifts, nearest first."""

from typing import NamedTuple

import jax.numpy as jnp

from stereojax.shapes import Array, Float
from stereojax.splat.row_contract import NOWHERE


class Sums(NamedTuple):
    """What a tile of targets has gathered so far; any shape, one array a field."""

    color: tuple[Float[Array, "*t"], ...]  # a channel each
    total: Float[Array, "*t"]
    coverage: Float[Array, "*t"]
    anchor: Float[Array, "*t"]  # disparity of the first source, or NOWHERE


def no_sums(like: Float[Array, "*t"], channels: int) -> Sums:
    zeros = jnp.zeros_like(like)
    return Sums((zeros,) * channels, zeros, zeros, jnp.full_like(like, NOWHERE))


def add_shift(
    sums: Sums,
    k: Float[Array, ""],
    d: Float[Array, "*t"],
    colors: tuple[Float[Array, "*t"], ...],
    sharpness: float,
) -> Sums:
    """Adds the sources k to the right of their targets; call with ever smaller k.

    Weights are relative to the first source that reached the target. A later one is
    nearer by less than a pixel, so no weight overflows, whatever the range, and a
    target's sums depend on its own sources alone, not on where its tile begins.
    """
    b = jnp.maximum(jnp.minimum(k + 1 - d, d - (k - 1)), 0)
    anchor = jnp.where((b > 0) & (sums.anchor >= NOWHERE), d, sums.anchor)
    # The limit is for what does not land, where b is 0 and the power must be finite.
    weight = b * jnp.exp2(sharpness * jnp.minimum(d - anchor, 1))
    return Sums(
        tuple(s + weight * c for s, c in zip(sums.color, colors, strict=True)),
        sums.total + weight,
        sums.coverage + b,
        anchor,
    )


def finish(sums: Sums, *, hard_mask: bool) -> tuple[tuple, Float[Array, "*t"]]:
    """(colours, occlusion), as `rows.normalize`, a channel each."""
    covered = sums.total > 0
    scale = jnp.where(covered, 1 / jnp.where(covered, sums.total, 1.0), 0.0)
    one = jnp.ones_like(sums.total)
    if hard_mask:
        occlusion = jnp.where(covered, one - one, one)
    else:
        occlusion = 1 - jnp.minimum(sums.coverage, 1)
    return tuple(c * scale for c in sums.color), occlusion

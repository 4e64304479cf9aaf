"""The gathers that the Pallas kernels share: one pass over the shifts, nearest first.

`Published` and `Coverage` have the same methods, so that a kernel runs either one.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp

from stereojax.shapes import Array, Float
from stereojax.splat.coverage import coverage_taps
from stereojax.splat.row_contract import NOWHERE


class Sums(NamedTuple):
    """The sums of a tile of targets so far; any shape, one array a field."""

    color: tuple[Float[Array, "*t"], ...]  # a channel each
    total: Float[Array, "*t"]
    coverage: Float[Array, "*t"]
    anchor: Float[Array, "*t"]


@dataclasses.dataclass(frozen=True)
class Published:
    """The published formula: weights relative to the first source of each target.

    The sums' `anchor` is that source's disparity, or NOWHERE.
    """

    sharpness: float
    hard_mask: bool

    def planes(self, d: Float[Array, "n w"]) -> tuple[Float[Array, "n w"]]:
        """Returns the planes that `add_shift` reads; the first bounds the shifts."""
        return (d,)

    def start(self, like: Float[Array, "*t"], channels: int) -> Sums:
        zeros = jnp.zeros_like(like)
        return Sums((zeros,) * channels, zeros, zeros, jnp.full_like(like, NOWHERE))

    def add_shift(
        self,
        sums: Sums,
        k: Float[Array, ""],
        colors: tuple[Float[Array, "*t"], ...],
        planes: tuple[Float[Array, "*t"], ...],
    ) -> Sums:
        """Adds the sources k to the right of their targets; k must fall.

        Weights are relative to the first source that reached the target. A later one is
        nearer by less than a pixel, so no weight overflows, whatever the range, and a
        target's sums depend on its own sources alone, not on where its tile begins.
        """
        (d,) = planes
        b = jnp.maximum(jnp.minimum(k + 1 - d, d - (k - 1)), 0)
        anchor = jnp.where((b > 0) & (sums.anchor >= NOWHERE), d, sums.anchor)
        # The limit is for what does not land, where b is 0 and the power must be
        # finite.
        weight = b * jnp.exp2(self.sharpness * jnp.minimum(d - anchor, 1))
        return Sums(
            tuple(s + weight * c for s, c in zip(sums.color, colors, strict=True)),
            sums.total + weight,
            sums.coverage + b,
            anchor,
        )

    def finish(self, sums: Sums) -> tuple[tuple, Float[Array, "*t"]]:
        """Returns (colours, occlusion), as `row_contract.normalize`, by channel."""
        return _normalize(sums, hard_mask=self.hard_mask)


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Coverage-true compositing: each source covers what nearer sources left free.

    The sums' `anchor` is the shift of the source that completes a target's coverage,
    or -NOWHERE, and `total` the coverage by the sources before that one.
    """

    hard_mask: bool

    def planes(self, d: Float[Array, "n w"]) -> tuple[Float[Array, "n w"], ...]:
        """Returns the planes that `add_shift` reads; the first bounds the shifts."""
        return tuple(coverage_taps(d))

    def start(self, like: Float[Array, "*t"], channels: int) -> Sums:
        zeros = jnp.zeros_like(like)
        return Sums((zeros,) * channels, zeros, zeros, jnp.full_like(like, -NOWHERE))

    def add_shift(
        self,
        sums: Sums,
        k: Float[Array, ""],
        colors: tuple[Float[Array, "*t"], ...],
        planes: tuple[Float[Array, "*t"], ...],
    ) -> Sums:
        """Adds the sources k to the right of their targets; k must fall."""
        coverage = jnp.minimum(sums.coverage + share_at(k, *planes), 1)
        visible = coverage - sums.coverage
        completes = (sums.coverage < 1) & (coverage >= 1)
        return Sums(
            tuple(s + visible * c for s, c in zip(sums.color, colors, strict=True)),
            jnp.where(coverage < 1, coverage, sums.total),
            coverage,
            jnp.where(completes, k, sums.anchor),
        )

    def finish(self, sums: Sums) -> tuple[tuple, Float[Array, "*t"]]:
        """Returns (colours, occlusion), as `row_contract.normalize`, by channel."""
        return _normalize(sums._replace(total=sums.coverage), hard_mask=self.hard_mask)


def share_at(
    k: Float[Array, ""],
    whole: Float[Array, "*t"],
    right: Float[Array, "*t"],
    left: Float[Array, "*t"],
) -> Float[Array, "*t"]:
    """Returns the coverage that `coverage.Taps` add to the targets k to their left."""
    return jnp.where(whole == k, right, jnp.where(whole == k - 1, left, 0))


def _normalize(sums: Sums, *, hard_mask: bool) -> tuple[tuple, Float[Array, "*t"]]:
    covered = sums.total > 0
    scale = jnp.where(covered, 1 / jnp.where(covered, sums.total, 1.0), 0.0)
    one = jnp.ones_like(sums.total)
    if hard_mask:
        occlusion = jnp.where(covered, one - one, one)
    else:
        occlusion = 1 - jnp.minimum(sums.coverage, 1)
    return tuple(c * scale for c in sums.color), occlusion

"""The splat as a gather in plain XLA: no atomics, the same bits every run.

Target t sums the sources t + k over the shifts k, nearest first. Written for CPUs,
where whole rows of a plane are added at once, far faster than a scatter.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Float
from stereojax.splat.row_contract import NOWHERE, Rows, normalize, power

ROWS = 32  # a block of rows, which has its own range of shifts
UNROLL = 8  # shifts that are added in one pass over the block
# Within a span of shifts, weights are relative to the span's first disparity. They
# stay below 2 ** OCTAVES, and sums of them below float32's 2 ** 128.
OCTAVES = 96
MAX_SHARPNESS = OCTAVES / UNROLL


def span_of(sharpness: float) -> int:
    """How many shifts share one reference: a power of two from UNROLL to 64."""
    span = 64
    while span * sharpness > OCTAVES:
        span //= 2
    return span


def gather_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    sharpness: float,
    *,
    hard_mask: bool,
    residuals: bool = True,
) -> Rows:
    """The splat of each row; the anchor is the start of the nearest span of shifts."""

    def block(image: Array, d: Array) -> Rows:
        planes = tuple(jnp.moveaxis(image, -1, 0))
        *color, total, coverage, anchor = _block(planes, d, sharpness)
        color = jnp.stack(color, -1)
        return normalize(
            color, total, coverage, anchor, hard_mask=hard_mask, residuals=residuals
        )

    return in_blocks(block, image, d, residuals=residuals)


def in_blocks(
    splat: Callable[[Array, Array], Rows],
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    *,
    residuals: bool,
) -> Rows:
    """Applies `splat` to all rows, one block of neighbouring rows at a time."""
    rows, width, channels = image.shape
    size = min(ROWS, rows)

    def block(i: Array, out: Rows) -> Rows:
        start = jnp.minimum(i * size, rows - size)  # the last block may overlap
        cut = functools.partial(
            lax.dynamic_slice_in_dim, start_index=start, slice_size=size
        )
        block_rows = splat(cut(image), cut(d))
        return jax.tree.map(
            lambda whole, part: lax.dynamic_update_slice_in_dim(whole, part, start, 0),
            out,
            block_rows,
        )

    zeros = jnp.zeros((rows, width))
    residual_arrays = (zeros, zeros) if residuals else (None, None)
    start = Rows(jnp.zeros((rows, width, channels)), zeros, *residual_arrays)
    return lax.fori_loop(0, -(-rows // size), block, start)


def _block(planes: tuple, d: Array, sharpness: float) -> tuple:
    """Returns the sums of a block of rows: *color, total, coverage, anchor."""
    width = d.shape[-1]
    span = span_of(sharpness)
    lands = d < NOWHERE
    # A source reaches the shifts floor(d) and floor(d) + 1.
    low = jnp.min(jnp.where(lands, jnp.floor(d), width)).astype(jnp.int32)
    high = jnp.max(jnp.where(lands, jnp.floor(d) + 1, -width)).astype(jnp.int32)
    # Spans begin at the same shifts in every block, so that a target's sums do not
    # depend on its neighbours. Shift 0 is in the middle of a span, so that few blocks
    # need two spans.
    first, last = (low + span // 2) // span, (high + span // 2) // span

    # The shifts index a ring buffer. Two sources are never confused: all targets are in
    # [-1, width], and the ring is longer than this interval.
    ring = width + span + UNROLL

    def twice(plane: Array, value: float) -> Array:
        gap = jnp.full((len(plane), ring - width), value)
        return jnp.concatenate([plane, gap, plane, gap], axis=1)

    ring_d, rings = twice(d, NOWHERE), [twice(plane, 0.0) for plane in planes]

    def one_span(i: Array, carry: tuple) -> tuple:
        *color, total, coverage, anchor = carry
        base = (last - i) * span - span // 2
        start = base - UNROLL
        near_d, *near = (
            lax.dynamic_slice_in_dim(x, start % ring, ring, axis=1)
            for x in (ring_d, *rings)
        )
        whole = jnp.floor(near_d)
        # Sources outside this span reach no tap; clip, so that their power is finite.
        weight = power(sharpness, jnp.clip(whole - base, -1, span), near_d - whole)
        weighted = [*(plane * weight for plane in near), weight]

        def some_shifts(j: Array, sums: tuple) -> tuple:
            lowest = bottom + (groups - 1 - j) * UNROLL

            def taps(plane: Array | None, total: Array) -> Array:
                for u in reversed(range(UNROLL)):
                    k = (lowest + u).astype(jnp.float32)
                    cut = functools.partial(
                        lax.dynamic_slice_in_dim,
                        start_index=lowest + u - start,
                        slice_size=width,
                        axis=1,
                    )
                    source_d = cut(near_d)
                    b = jnp.maximum(
                        jnp.minimum(k + 1 - source_d, source_d - (k - 1)), 0
                    )
                    total = total + (b if plane is None else b * cut(plane))
                return total

            return tuple(
                taps(p, total) for p, total in zip((*weighted, None), sums, strict=True)
            )

        # The block's shifts in this span, in groups of UNROLL. The surplus shifts of a
        # group are below `low` or above `high`, where no source is; not in other spans.
        top, bottom = jnp.minimum(high, base + span - 1), jnp.maximum(low, base)
        groups = (top - bottom) // UNROLL + 1
        bottom = jnp.where(low < base, base, top + 1 - groups * UNROLL)
        zeros = jnp.zeros_like(total)
        *new, new_total, coverage = lax.fori_loop(
            0,
            groups,
            some_shifts,
            (*[zeros] * (len(color) + 1), coverage),
        )
        # The first span that reaches a target is the nearest; the sums of later spans
        # are scaled to its weights.
        reached = new_total > 0
        anchor = jnp.where(
            reached & (anchor >= NOWHERE), base.astype(jnp.float32), anchor
        )
        scale = jnp.exp2(jnp.where(reached, sharpness * (base - anchor), 0))
        color = [c + scale * n for c, n in zip(color, new, strict=True)]
        return (*color, total + scale * new_total, coverage, anchor)

    zeros = jnp.zeros_like(d)
    start = (*[zeros] * (len(planes) + 2), jnp.full_like(d, NOWHERE))
    return lax.fori_loop(0, last - first + 1, one_span, start)

"""Coverage-true compositing as a gather in plain XLA: the same bits every run.

Written for CPUs, as `xla_gather`: target t adds the sources t + k over the shifts k,
nearest first, for whole rows of a plane at once.
"""

import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Float
from stereojax.splat.coverage import coverage_taps
from stereojax.splat.nearest_first import share_at
from stereojax.splat.row_contract import NOWHERE, Rows, normalize
from stereojax.splat.xla_gather import in_blocks

UNROLL = 8  # shifts that are added in one pass over the block


def composite_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    *,
    hard_mask: bool,
    residuals: bool = True,
) -> Rows:
    """Splats each row by coverage; see `nearest_first.Coverage` for the residuals."""

    def block(image: Array, d: Array) -> Rows:
        planes = tuple(jnp.moveaxis(image, -1, 0))
        *color, coverage, total, anchor = _block(planes, d, residuals)
        rows = normalize(
            jnp.stack(color, -1),
            coverage,
            coverage,
            anchor,
            hard_mask=hard_mask,
            residuals=residuals,
        )
        return rows._replace(total=total)

    return in_blocks(block, image, d, residuals=residuals)


def _block(planes: tuple, d: Array, residuals: bool) -> tuple:
    """Returns the sums of one block of rows: *color, coverage, total, anchor."""
    width = d.shape[-1]
    taps = coverage_taps(d)
    lands = taps.whole < NOWHERE
    low = jnp.min(jnp.where(lands, taps.whole, width)).astype(jnp.int32)
    high = jnp.max(jnp.where(lands, taps.whole + 1, -width)).astype(jnp.int32)

    # Every shift with a source lies in [-width, width]; the last group reaches further.
    pad = width + UNROLL

    def padded(plane: Array, value: float) -> Array:
        return jnp.pad(plane, ((0, 0), (pad, pad)), constant_values=value)

    sources = [padded(taps.whole, NOWHERE)]
    sources += [padded(plane, 0.0) for plane in (taps.right, taps.left, *planes)]

    def some_shifts(i: Array, sums: tuple) -> tuple:
        *color, coverage, total, anchor = sums
        top = high - i * UNROLL
        for u in range(UNROLL):
            k = top - u
            whole, right, left, *colors = (
                lax.dynamic_slice_in_dim(x, pad + k, width, axis=1) for x in sources
            )
            share = share_at(k.astype(jnp.float32), whole, right, left)
            new_coverage = jnp.minimum(coverage + share, 1)
            color = [
                c + (new_coverage - coverage) * s
                for c, s in zip(color, colors, strict=True)
            ]
            if residuals:
                total = jnp.where(new_coverage < 1, new_coverage, total)
                completes = (coverage < 1) & (new_coverage == 1)
                anchor = jnp.where(completes, k.astype(jnp.float32), anchor)
            coverage = new_coverage
        return (*color, coverage, total, anchor)

    zeros = jnp.zeros_like(d)
    residual_arrays = (zeros, jnp.full_like(d, -NOWHERE)) if residuals else (None, None)
    start = (*[zeros] * (len(planes) + 1), *residual_arrays)
    groups = (high - low) // UNROLL + 1
    return lax.fori_loop(0, groups, some_shifts, start)

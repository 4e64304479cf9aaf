"""The specification, in float32. Every other implementation must equal this one."""

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Float
from stereojax.splat.coverage import coverage_taps
from stereojax.splat.row_contract import Rows, bilinear_taps, normalize


def scatter_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],  # from `landing`
    sharpness: float,
    *,
    hard_mask: bool,
    residuals: bool = True,
) -> Rows:
    """Splats each row by the published formula, as a scatter-add.

    The anchor is the largest disparity that reaches the target.
    """
    width = d.shape[-1]
    taps = bilinear_taps(d)
    row = jnp.arange(len(d))[:, None]

    # Only differences of disparity matter at one target, so each target takes them
    # from the nearest source that reaches it: no range of disparities can overflow,
    # and its own weight is never lost.
    nearest = jnp.full(d.shape, -jnp.inf)
    for target, _, hit in taps:
        index = jnp.where(hit, target, width)  # dropped; a negative one would wrap
        nearest = nearest.at[row, index].max(lax.stop_gradient(d), mode="drop")

    color = jnp.zeros_like(image)
    total, coverage = jnp.zeros(d.shape), jnp.zeros(d.shape)
    for target, b, hit in taps:
        index = jnp.where(hit, target, width)
        behind = d - nearest.at[row, index].get(mode="fill", fill_value=0)
        weight = b * jnp.exp2(sharpness * jnp.where(hit, behind, 0))
        color = color.at[row, index].add(weight[..., None] * image, mode="drop")
        total = total.at[row, index].add(weight, mode="drop")
        coverage = coverage.at[row, index].add(b, mode="drop")

    return normalize(
        color, total, coverage, nearest, hard_mask=hard_mask, residuals=residuals
    )


def composite_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],  # from `landing`
    *,
    hard_mask: bool,
) -> Rows:
    """Splats each row by coverage, one source column after the other.

    From right to left is nearest first, as `coverage` explains: each source covers as
    much of its targets as its own coverage, and as those before it have left free.
    """
    rows, width, _ = image.shape
    row = jnp.arange(rows)

    def add_column(sums: tuple, column: tuple) -> tuple[tuple, None]:
        color, coverage = sums
        source, *taps = column
        for target, share, hit in taps:
            index = jnp.where(hit, target, width)
            before = coverage.at[row, index].get(mode="fill", fill_value=1)
            after = jnp.minimum(before + share, 1)
            visible = (after - before)[:, None]
            color = color.at[row, index].add(visible * source, mode="drop")
            coverage = coverage.at[row, index].set(after, mode="drop")
        return (color, coverage), None

    columns = jax.tree.map(
        lambda x: jnp.moveaxis(x, 1, 0), (image, *coverage_taps(d).targets())
    )
    zeros = jnp.zeros_like(image), jnp.zeros_like(d)
    (color, coverage), _ = lax.scan(add_column, zeros, columns, reverse=True)
    return normalize(
        color, coverage, coverage, None, hard_mask=hard_mask, residuals=False
    )

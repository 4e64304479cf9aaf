"""The specification: a scatter-add in float32. Every other form must equal this one."""

import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Float
from stereojax.splat.row_contract import Rows, bilinear_taps, normalize


def scatter_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],  # from `landing`
    sharpness: float,
    *,
    hard_mask: bool,
    residuals: bool = True,
) -> Rows:
    """The splat of each row; the anchor is the largest disparity that reaches it."""
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

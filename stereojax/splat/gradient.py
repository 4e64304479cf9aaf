"""Gradients and vmap for the implementations that have none of their own."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float
from stereojax.splat.coverage import coverage_taps
from stereojax.splat.row_contract import (
    NOWHERE,
    RowComposite,
    Rows,
    RowSplat,
    bilinear_taps,
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 3, 4))
def with_gradient(
    kernel: RowSplat,
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    sharpness: float,
    hard_mask: bool,
) -> tuple[Float[Array, "n w c"], Float[Array, "n w"]]:
    """Returns (warped, occlusion) of `kernel`; two gathers compute the gradients."""
    run = functools.partial(kernel, sharpness=sharpness, hard_mask=hard_mask)
    rows = _batchable(run, residuals=False)(image, d)
    return rows.warped, rows.occlusion


def _forward(
    kernel: RowSplat, image: Array, d: Array, sharpness: float, hard_mask: bool
) -> tuple:
    run = functools.partial(kernel, sharpness=sharpness, hard_mask=hard_mask)
    rows = _batchable(run, residuals=True)(image, d)
    return (rows.warped, rows.occlusion), (image, d, rows)


def _backward(
    kernel: RowSplat, sharpness: float, hard_mask: bool, residuals: tuple, grads: tuple
) -> tuple:
    """Each source collects from its two targets, whose weighted means it moves.

    With out = sum(w b I) / sum(w b): d out / d I = w b / total, and
    d out / d(w b) = (I - out) / total. No scatter, so the same bits every run.
    """
    del kernel, hard_mask  # the occlusion has no gradient
    image, d, rows = residuals
    total = jnp.where(rows.total > 0, rows.total, 1)
    color_grad = grads[0] / total[..., None]
    mean_grad = (color_grad * rows.warped).sum(-1)
    image_grad, d_grad = jnp.zeros_like(image), jnp.zeros_like(d)
    for (target, b, hit), slope in zip(bilinear_taps(d), (-1, 1), strict=True):
        index = jnp.where(hit, target, 0)
        take = functools.partial(jnp.take_along_axis, indices=index, axis=1)
        behind = jnp.where(hit, d - take(rows.anchor), 0)
        weight = jnp.where(hit, jnp.exp2(sharpness * behind), 0)
        pull = jnp.take_along_axis(color_grad, index[..., None], axis=1)
        image_grad += (weight * b)[..., None] * pull
        gain = (pull * image).sum(-1) - take(mean_grad)
        d_grad += weight * gain * (slope + b * sharpness * math.log(2))
    return image_grad, d_grad


with_gradient.defvjp(_forward, _backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 3))
def composite_with_gradient(
    kernel: RowComposite,
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    hard_mask: bool,
) -> tuple[Float[Array, "n w c"], Float[Array, "n w"]]:
    """Coverage compositing: returns (warped, occlusion); gradients use gathers."""
    run = functools.partial(kernel, hard_mask=hard_mask)
    rows = _batchable(run, residuals=False)(image, d)
    return rows.warped, rows.occlusion


def _composite_forward(
    kernel: RowComposite, image: Array, d: Array, hard_mask: bool
) -> tuple:
    run = functools.partial(kernel, hard_mask=hard_mask)
    rows = _batchable(run, residuals=True)(image, d)
    return (rows.warped, rows.occlusion), (image, d, rows)


def _composite_backward(
    kernel: RowComposite, hard_mask: bool, residuals: tuple, grads: tuple
) -> tuple:
    """Each source collects from the targets where a part of it is visible.

    d out / d I = visible / total. Where the coverage is complete, more coverage of a
    source replaces the colour of the last visible one, L: d out / d share = I - L for
    the sources in front of it, 0 for the others. Elsewhere all are visible, and
    d out / d share = (I - out) / total.
    """
    del kernel, hard_mask  # the occlusion has no gradient
    image, d, rows = residuals
    complete = rows.anchor > -NOWHERE
    column = jnp.arange(d.shape[-1])
    last = jnp.where(complete, column + rows.anchor.astype(jnp.int32), 0)
    last_color = jnp.take_along_axis(image, last[..., None], axis=1)
    replaced = jnp.where(complete[..., None], last_color, rows.warped)
    total = jnp.where(complete | (rows.total <= 0), 1, rows.total)
    color_grad = grads[0] / total[..., None]
    replaced_grad = (color_grad * replaced).sum(-1)

    taps, pull_back = jax.vjp(coverage_taps, d)
    image_grad, share_grads = jnp.zeros_like(image), []
    for target, share, hit in taps.targets():
        index = jnp.where(hit, target, 0)
        take = functools.partial(jnp.take_along_axis, indices=index, axis=1)
        shift, last_shift = column - target, take(rows.anchor)
        in_front = hit & (shift > last_shift)
        rest = jnp.where(hit & (shift == last_shift), 1 - take(rows.total), 0)
        visible = jnp.where(in_front, share, rest)
        pull = jnp.take_along_axis(color_grad, index[..., None], axis=1)
        image_grad += visible[..., None] * pull
        gain = (pull * image).sum(-1) - take(replaced_grad)
        share_grads.append(jnp.where(in_front, gain, 0))
    (d_grad,) = pull_back(
        taps._replace(whole=0 * d, right=share_grads[0], left=share_grads[1])
    )
    return image_grad, d_grad


composite_with_gradient.defvjp(_composite_forward, _composite_backward)


def _batchable(kernel: Callable[..., Rows], residuals: bool) -> Callable[..., Rows]:
    """Returns the kernel with a vmap rule: the mapped axis is folded into the rows."""

    @jax.custom_batching.custom_vmap
    def run_rows(image: Float[Array, "n w c"], d: Float[Array, "n w"]) -> Rows:
        return kernel(image, d, residuals=residuals)

    @run_rows.def_vmap
    def _(size: int, batched: list, *arrays: Array | np.ndarray) -> tuple:
        image, d = (
            x if is_batched else jnp.broadcast_to(x, (size, *x.shape))
            for x, is_batched in zip(arrays, batched, strict=True)
        )
        flat = run_rows(image.reshape(-1, *image.shape[2:]), d.reshape(-1, d.shape[2]))
        unfolded = jax.tree.map(lambda x: x.reshape(size, -1, *x.shape[1:]), flat)
        return unfolded, jax.tree.map(lambda _: True, unfolded)

    return run_rows

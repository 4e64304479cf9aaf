"""Gradients and vmap for the implementations that have none of their own."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float
from stereojax.splat.row_contract import Rows, RowSplat, bilinear_taps


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 3, 4))
def with_gradient(
    kernel: RowSplat,
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    sharpness: float,
    hard_mask: bool,
) -> tuple[Float[Array, "n w c"], Float[Array, "n w"]]:
    """(warped, occlusion) by `kernel`, with gradients from two gathers."""
    done = _batchable(kernel, sharpness, hard_mask, residuals=False)(image, d)
    return done.warped, done.occlusion


def _forward(
    kernel: RowSplat, image: Array, d: Array, sharpness: float, hard_mask: bool
) -> tuple:
    done = _batchable(kernel, sharpness, hard_mask, residuals=True)(image, d)
    return (done.warped, done.occlusion), (image, d, done)


def _backward(
    kernel: RowSplat, sharpness: float, hard_mask: bool, residuals: tuple, grads: tuple
) -> tuple:
    """Each source collects from its two targets, whose weighted means it moves.

    With out = sum(w b I) / sum(w b): d out / d I = w b / total, and
    d out / d(w b) = (I - out) / total. No scatter, so the same bits every run.
    """
    del kernel, hard_mask  # the occlusion has no gradient
    image, d, done = residuals
    total = jnp.where(done.total > 0, done.total, 1)
    color_grad = grads[0] / total[..., None]
    mean_grad = (color_grad * done.warped).sum(-1)
    image_grad, d_grad = jnp.zeros_like(image), jnp.zeros_like(d)
    for (target, b, hit), slope in zip(bilinear_taps(d), (-1, 1), strict=True):
        index = jnp.where(hit, target, 0)
        take = functools.partial(jnp.take_along_axis, indices=index, axis=1)
        behind = jnp.where(hit, d - take(done.anchor), 0)
        weight = jnp.where(hit, jnp.exp2(sharpness * behind), 0)
        pull = jnp.take_along_axis(color_grad, index[..., None], axis=1)
        image_grad += (weight * b)[..., None] * pull
        gain = (pull * image).sum(-1) - take(mean_grad)
        d_grad += weight * gain * (slope + b * sharpness * math.log(2))
    return image_grad, d_grad


with_gradient.defvjp(_forward, _backward)


def _batchable(kernel: RowSplat, sharpness: float, hard_mask: bool, residuals: bool):
    """The kernel, with an axis that vmap adds folded into the rows."""

    @jax.custom_batching.custom_vmap
    def rows(image: Float[Array, "n w c"], d: Float[Array, "n w"]) -> Rows:
        return kernel(image, d, sharpness, hard_mask=hard_mask, residuals=residuals)

    @rows.def_vmap
    def _(size: int, batched: list, *arrays: Array | np.ndarray) -> tuple:
        image, d = (
            x if is_batched else jnp.broadcast_to(x, (size, *x.shape))
            for x, is_batched in zip(arrays, batched, strict=True)
        )
        flat = rows(image.reshape(-1, *image.shape[2:]), d.reshape(-1, d.shape[2]))
        done = jax.tree.map(lambda x: x.reshape(size, -1, *x.shape[1:]), flat)
        return done, jax.tree.map(lambda _: True, done)

    return rows

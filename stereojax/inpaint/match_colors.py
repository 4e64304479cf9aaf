"""Matches the colours of generated pictures to the known pixels around the hole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float
from stereojax.stage_types import REFERENCE_WIDTH

# (sigma, weight) of each Gaussian; sigma is in pixels of a picture 1024 wide. A wider
# Gaussian has an effect only where the narrower Gaussians reach no known pixel.
_GAUSSIANS = ((8.0, 1.0), (32.0, 1e-2), (128.0, 1e-4))
_MAX_WIDTH = 256  # pixels; wider pictures are pooled before the blur


@jax.jit
def match_colors(
    generated: Float[Array, "t h w 3"],
    warped: Float[Array, "t h w 3"],
    known: Float[Array, "t h w"],
) -> Float[Array, "t h w 3"]:
    """Returns `generated`, corrected by its mean difference from `warped` nearby.

    The VAE and the U-Net shift colours slightly, by an amount that varies over the
    picture and between windows. Inside a hole, this shift is estimated from the nearby
    known pixels and removed. The estimate is smooth, so texture does not change.

    Args:
      generated: complete pictures in [0, 1].
      warped: the splatted view.
      known: weight of each pixel of `warped`, in [0, 1]; 0 in and next to holes.
    """
    height, width = known.shape[1:]
    scale = max(1, -(-width // _MAX_WIDTH))
    size = -(-height // scale), -(-width // scale)
    weight = known[..., None]
    sums = _pooled(jnp.concatenate([weight * (warped - generated), weight], -1), scale)
    total = jnp.zeros_like(sums)
    for sigma, importance in _GAUSSIANS:
        sigma *= width / REFERENCE_WIDTH / scale
        down, across = (_gaussian(n, sigma) for n in size)
        total += importance * jnp.einsum("ij,tjkc,lk->tilc", down, sums, across)
    # In a picture without known pixels, the shift is 0 / 1e-9 = 0.
    shift = total[..., :3] / jnp.maximum(total[..., 3:], 1e-9)
    full = (len(shift), size[0] * scale, size[1] * scale, 3)
    shift = jax.image.resize(shift, full, "linear")[:, :height, :width]
    return jnp.clip(generated + shift, 0, 1)


def _pooled(x: Array, scale: int) -> Array:
    """Returns the means of `scale` x `scale` blocks; the picture is padded with 0."""
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (0, -height % scale), (0, -width % scale), (0, 0)))
    t, h, w, c = x.shape
    return x.reshape(t, h // scale, scale, w // scale, scale, c).mean((2, 4))


@functools.cache
def _gaussian(size: int, sigma: float) -> np.ndarray:
    """Returns a (size, size) blur matrix; rows sum to 1 except near the borders."""
    at = np.arange(size)
    weights = np.exp(-0.5 * np.square((at[:, None] - at) / sigma))
    return np.float32(weights / (sigma * np.sqrt(2 * np.pi)))

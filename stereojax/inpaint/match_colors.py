"""Matches the colours of generated pictures to the known pixels around the hole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float
from stereojax.stage_types import REFERENCE_WIDTH

# (scale, weight): sigma of a Gaussian, in pixels of a picture 1024 wide. A wider
# Gaussian has an effect only where the narrower Gaussians reach no known pixel.
_SCALES = ((8.0, 1.0), (32.0, 1e-2), (128.0, 1e-4))
_WIDEST = 256  # pixels: the smooth difference is computed on a picture this wide


@jax.jit
def match_colors(
    generated: Float[Array, "t h w 3"],
    warped: Float[Array, "t h w 3"],
    known: Float[Array, "t h w"],
) -> Float[Array, "t h w 3"]:
    """Returns `generated`, corrected by its mean difference from `warped` near holes.

    The VAE and the U-Net shift colours a little; the shift varies over the picture and
    between windows. The shift inside a hole is estimated from the known pixels near the
    hole, and subtracted. The estimate is smooth, so texture does not change.

    Args:
      generated: complete pictures in [0, 1].
      warped: the splatted view.
      known: weight of each pixel of `warped`, in [0, 1]; 0 in and next to holes.
    """
    height, width = known.shape[1:]
    scale = max(1, -(-width // _WIDEST))
    size = -(-height // scale), -(-width // scale)
    weight = known[..., None]
    sums = _pooled(jnp.concatenate([weight * (warped - generated), weight], -1), scale)
    total = jnp.zeros_like(sums)
    for sigma, share in _SCALES:
        sigma *= width / REFERENCE_WIDTH / scale
        down, across = (_gaussian(n, sigma) for n in size)
        total += share * jnp.einsum("ij,tjkc,lk->tilc", down, sums, across)
    # Without any known pixel the shift is 0 / 1e-9.
    shift = total[..., :3] / jnp.maximum(total[..., 3:], 1e-9)
    full = (len(shift), size[0] * scale, size[1] * scale, 3)
    shift = jax.image.resize(shift, full, "linear")[:, :height, :width]
    return jnp.clip(generated + shift, 0, 1)


def _pooled(x: Array, scale: int) -> Array:
    """Returns means of blocks of `scale` x `scale`; the picture is padded with 0."""
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (0, -height % scale), (0, -width % scale), (0, 0)))
    t, h, w, c = x.shape
    return x.reshape(t, h // scale, scale, w // scale, scale, c).mean((2, 4))


@functools.cache
def _gaussian(size: int, sigma: float) -> np.ndarray:
    """Returns a (size, size) blur whose rows, without borders, would sum to 1."""
    at = np.arange(size)
    weights = np.exp(-0.5 * np.square((at[:, None] - at) / sigma))
    return np.float32(weights / (sigma * np.sqrt(2 * np.pi)))

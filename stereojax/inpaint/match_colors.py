"""Colours of what was generated, matched to what is known around the hole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float
from stereojax.stage_types import REFERENCE_WIDTH

# Scales over which known pixels count, in pixels of a picture 1024 wide, and how much.
# The next scale only speaks where the one before has nothing to say.
_SCALES = ((8.0, 1.0), (32.0, 1e-2), (128.0, 1e-4))
_WIDEST = 256  # the difference is smooth: it is found on a picture this wide


@jax.jit
def match_colors(
    generated: Float[Array, "t h w 3"],
    warped: Float[Array, "t h w 3"],
    known: Float[Array, "t h w"],
) -> Float[Array, "t h w 3"]:
    """`generated`, off by as little as can be from `warped` beside the hole.

    The VAE and the U-Net shift colours a little, differently from place to place and
    from window to window. What they did to the known pixels near a hole they did in the
    hole too: that mean difference is taken back. It is smooth, so texture stays.

    Args:
      generated: complete pictures in [0, 1].
      warped: the splatted view.
      known: how far a pixel of `warped` can be trusted, 0 in and beside holes.
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
    # Where all is hole there is nothing to match: 0 / 1e-9.
    shift = total[..., :3] / jnp.maximum(total[..., 3:], 1e-9)
    whole = (len(shift), size[0] * scale, size[1] * scale, 3)
    shift = jax.image.resize(shift, whole, "linear")[:, :height, :width]
    return jnp.clip(generated + shift, 0, 1)


def _pooled(x: Array, scale: int) -> Array:
    """Means of blocks of `scale` x `scale`; 0 beyond the edges."""
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (0, -height % scale), (0, -width % scale), (0, 0)))
    t, h, w, c = x.shape
    return x.reshape(t, h // scale, scale, w // scale, scale, c).mean((2, 4))


@functools.cache
def _gaussian(size: int, sigma: float) -> np.ndarray:
    """(size, size) float32, rows of unit sum were the axis endless."""
    at = np.arange(size)
    weights = np.exp(-0.5 * np.square((at[:, None] - at) / sigma))
    return np.float32(weights / (sigma * np.sqrt(2 * np.pi)))

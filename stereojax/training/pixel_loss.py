"""Losses on decoded crops: off in the paper's configuration."""

from typing import Any

import jax
import jax.numpy as jnp

from stereojax.settings.train import TrainSettings
from stereojax.shapes import Array, Float, Key


def pixel_loss(
    model: Any,
    latents: Float[Array, "b t h w z"],
    right: Float[Array, "b t h2 w2 3"],
    sigma: Float[Array, " b"],
    keys: Key[Array, " b"],
    settings: TrainSettings,
) -> Float[Array, " b"]:
    """The error of what `latents` decode to, in a crop of some frames: L1 and LPIPS.

    Weighted by 1 / (sigma^2 + 1): of noise alone no picture can be told.

    Args:
      latents: clean ones, as they are found; times the VAE's scaling factor.
      right: the true pictures, in [0, 1].
    """
    config = model.vae.config
    factor = config.factor
    _, t, h, w, _ = latents.shape
    frames = min(settings.pixel_frames, t)
    side = max(1, settings.pixel_crop // factor)
    size = (frames, min(side, h), min(side, w))

    def one(latents: Array, right: Array, key: Key[Array, ""]) -> Array:
        most = jnp.array([t - size[0], h - size[1], w - size[2]])
        at = jax.random.randint(key, (3,), 0, most + 1)
        crop = jax.lax.dynamic_slice(latents, (*at, 0), (*size, latents.shape[-1]))
        scale = jnp.array([1, factor, factor])
        truth = jax.lax.dynamic_slice(
            right, (*(at * scale), 0), (size[0], size[1] * factor, size[2] * factor, 3)
        )
        decoded = model.vae.decode(crop[None] / config.scaling_factor)[0]
        picture = (decoded.astype(jnp.float32) + 1) / 2
        error = settings.pixel_l1 * jnp.abs(picture - truth).mean()
        if settings.pixel_lpips:
            error += settings.pixel_lpips * model.lpips(picture, truth).mean()
        return error

    each = jax.lax.map(lambda x: one(*x), (latents, right, keys))
    return each / (jnp.square(sigma) + 1)

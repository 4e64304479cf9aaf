"""The training objective: v-prediction error at log-normal noise, and pixel losses.

With SVD's EDM preconditioning (arXiv 2206.00364), the weight of EDM's loss and the
scale of the network's output cancel: the loss is the unweighted mean square error of v.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from stereojax.settings.train import TrainSettings
from stereojax.shapes import Array, Float, Key
from stereojax.svd.denoise import Conditioning, predict_v
from stereojax.svd.scheduler import denoised


def draw_sigma(
    key: Key[Array, ""], mean: Float[Array, ""] | float, std: Float[Array, ""] | float
) -> Float[Array, ""]:
    """Samples a noise level; ln(sigma) is normal with this mean and deviation."""
    return jnp.exp(mean + std * jax.random.normal(key))


def v_target(
    clean: Float[Array, "*s"], noise: Float[Array, "*s"], sigma: Float[Array, "*s2"]
) -> Float[Array, "*s"]:
    """Returns the v from which `denoised` recovers `clean` in clean + sigma * noise."""
    return (noise - sigma * clean) / jnp.sqrt(jnp.square(sigma) + 1)


def v_error(
    unet: Callable[..., Array],
    clean: Float[Array, "b t h w z"],
    noise: Float[Array, "b t h w z"],
    conditioning: Conditioning,
    sigma: Float[Array, " b"],
) -> tuple[Float[Array, "b t h w"], Float[Array, "b t h w z"]]:
    """Returns v's squared error, averaged over channels, and the denoised latents.

    Args:
      unet: a callable with the signature of SVD's U-Net.
      clean: latents times the VAE's scaling factor.
    """
    level = sigma.reshape(-1, *[1] * (clean.ndim - 1))
    noisy = clean + level * noise
    v = predict_v(unet, noisy, sigma, conditioning)
    error = jnp.square(v - v_target(clean, noise, level)).mean(-1)
    return error, denoised(v, noisy, level)


def pixel_loss(
    model: Any,
    latents: Float[Array, "b t h w z"],
    right: Float[Array, "b t h2 w2 3"],
    sigma: Float[Array, " b"],
    keys: Key[Array, " b"],
    settings: TrainSettings,
) -> Float[Array, " b"]:
    """Returns L1 and LPIPS of a decoded random crop; the paper's recipe has neither.

    Weighted by 1 / (sigma^2 + 1), because latents denoised from pure noise show no
    picture that could be compared.

    Args:
      latents: denoised latents, times the VAE's scaling factor.
      right: the true right view, in [0, 1].
    """
    config = model.vae.config
    factor = config.factor
    _, t, h, w, _ = latents.shape
    frames = min(settings.pixel_frames, t)
    side = max(1, settings.pixel_crop // factor)
    size = (frames, min(side, h), min(side, w))

    def sample_loss(latents: Array, right: Array, key: Key[Array, ""]) -> Array:
        # The same crop of the latents and, `factor` times as large, of the right view.
        last = jnp.array([t - size[0], h - size[1], w - size[2]])
        start = jax.random.randint(key, (3,), 0, last + 1)
        crop = jax.lax.dynamic_slice(latents, (*start, 0), (*size, latents.shape[-1]))
        scale = jnp.array([1, factor, factor])
        truth = jax.lax.dynamic_slice(
            right,
            (*(start * scale), 0),
            (size[0], size[1] * factor, size[2] * factor, 3),
        )
        decoded = model.vae.decode(crop[None] / config.scaling_factor)[0]
        pixels = (decoded.astype(jnp.float32) + 1) / 2
        error = settings.pixel_l1 * jnp.abs(pixels - truth).mean()
        if settings.pixel_lpips:
            error += settings.pixel_lpips * model.lpips(pixels, truth).mean()
        return error

    # One sample after another, to bound the memory of the decoder's gradients.
    losses = jax.lax.map(lambda x: sample_loss(*x), (latents, right, keys))
    return losses / (jnp.square(sigma) + 1)

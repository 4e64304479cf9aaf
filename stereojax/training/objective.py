"""What is minimised: the error of v, at noise levels drawn log-normally.

SVD's preconditioning of EDM (arXiv 2206.00364), in which the weight of EDM's loss and
the scale of the network's output cancel: the mean square error of v, unweighted.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from stereojax.shapes import Array, Float, Key
from stereojax.svd.denoise import Conditioning, predict_v
from stereojax.svd.scheduler import denoised


def draw_sigma(
    key: Key[Array, ""], mean: Float[Array, ""] | float, std: Float[Array, ""] | float
) -> Float[Array, ""]:
    """A noise level whose logarithm is normal."""
    return jnp.exp(mean + std * jax.random.normal(key))


def v_target(
    clean: Float[Array, "*s"], noise: Float[Array, "*s"], sigma: Float[Array, "*s2"]
) -> Float[Array, "*s"]:
    """The v by which `scheduler.denoised` finds `clean` in `clean + sigma * noise`."""
    return (noise - sigma * clean) / jnp.sqrt(jnp.square(sigma) + 1)


def v_error(
    unet: Callable[..., Array],
    clean: Float[Array, "b t h w z"],
    noise: Float[Array, "b t h w z"],
    conditioning: Conditioning,
    sigma: Float[Array, " b"],
) -> tuple[Float[Array, "b t h w"], Float[Array, "b t h w z"]]:
    """The squared error of v, a mean over channels; and the clean latents found.

    Args:
      unet: is called as SVD's is.
      clean: latents times the VAE's scaling factor.
    """
    level = _spread(sigma, clean)
    noisy = clean + level * noise
    v = predict_v(unet, noisy, sigma, conditioning)
    error = jnp.square(v - v_target(clean, noise, level)).mean(-1)
    return error, denoised(v, noisy, level)


def _spread(x: Float[Array, " b"], like: Array) -> Array:
    return x.reshape(-1, *[1] * (like.ndim - 1))

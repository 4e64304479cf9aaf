"""One window from noise to latents: every step in one scan, compiled once a shape."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float
from stereojax.svd.scheduler import euler_step, scaled, timestep
from stereojax.svd.unet import UNetSpatioTemporalConditionModel


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Conditioning:
    """What the U-Net is given beside the noisy latents; b tiles of one window."""

    channels: Float[Array, "b t h w c"]  # after the noisy ones: frame latents, mask
    context: Float[Array, "b k d"]  # image embeddings, k = 1 or one a frame
    time_ids: Float[Array, "b 3"]  # frames per second, motion bucket, augmentation

    def times(self, keep: Float[Array, ""] | float) -> "Conditioning":
        """At 0 what guidance leads away from: zeros, but the same time ids."""
        return dataclasses.replace(
            self, channels=self.channels * keep, context=self.context * keep
        )


# Called with the latents and the next noise level after every step; returns latents.
AfterStep = Callable[[Array, Array], Array]


def denoise(
    unet: UNetSpatioTemporalConditionModel,
    latents: Float[Array, "b t h w z"],
    conditioning: Conditioning,
    sigmas: Float[np.ndarray, " n"],
    *,
    guidance: float = 1.0,
    after_step: AfterStep | None = None,
) -> Float[Array, "b t h w z"]:
    """Takes `latents` from noise level `sigmas[0]` to `sigmas[-1]`, with n - 1 steps.

    Args:
      unet: predicts v; its dtype is what it computes in. Steps are float32.
      latents: float32 noise times `scheduler.initial_scale()`. Donated: where the
        device can, the result takes their memory, and they cannot be used again.
      conditioning: constant over the steps.
      sigmas: of `scheduler.schedule`.
      guidance: 1 is a single pass of the U-Net a step. Any other value is two, one
        without conditioning, one after the other: the memory is that of one.
      after_step: pure; a module-level function or a frozen dataclass with `__call__`
        (it is a key of the compilation cache). Blends tiles, for example.

    Compiled once for each U-Net configuration, shape, number of steps, guidance on or
    off, and `after_step`.
    """
    return _run(
        unet,
        latents,
        conditioning,
        jnp.asarray(sigmas, jnp.float32),
        None if guidance == 1 else jnp.float32(guidance),
        after_step,
    )


@functools.partial(
    jax.jit, static_argnames=("after_step",), donate_argnames=("latents",)
)
def _run(
    unet: UNetSpatioTemporalConditionModel,
    latents: Array,
    conditioning: Conditioning,
    sigmas: Array,
    guidance: Array | None,
    after_step: AfterStep | None,
) -> Array:
    def predict(x: Array, sigma: Array, given: Conditioning) -> Array:
        sample = jnp.concatenate([scaled(x, sigma), given.channels], axis=-1)
        time = jnp.broadcast_to(timestep(sigma), x.shape[:1])
        return unet(sample, time, given.context, given.time_ids).astype(jnp.float32)

    def guided(x: Array, sigma: Array) -> Array:
        if guidance is None:
            return predict(x, sigma, conditioning)
        without, given = jax.lax.map(
            lambda keep: predict(x, sigma, conditioning.times(keep)), jnp.arange(2.0)
        )
        return without + guidance * (given - without)

    def step(x: Array, levels: tuple[Array, Array]) -> tuple[Array, None]:
        sigma, lower = levels
        x = euler_step(guided(x, sigma), x, sigma, lower)
        return (x if after_step is None else after_step(x, lower)), None

    x, _ = jax.lax.scan(step, latents.astype(jnp.float32), (sigmas[:-1], sigmas[1:]))
    return x

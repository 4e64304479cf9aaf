"""One window from noise to latents: every step in one scan, compiled once a shape."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

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

TILES = "tiles"  # the axis of a mesh over which the batch is spread


def predict_v(
    unet: Callable[..., Array],
    noisy: Float[Array, "b t h w z"],
    sigma: Float[Array, " b"],
    conditioning: Conditioning,
) -> Float[Array, "b t h w z"]:
    """Calls the U-Net with EDM's preconditioning; returns its v-prediction in float32.

    Inference and training both predict v here.
    """
    level = sigma.reshape(-1, *[1] * (noisy.ndim - 1))
    sample = jnp.concatenate([scaled(noisy, level), conditioning.channels], axis=-1)
    v = unet(sample, timestep(sigma), conditioning.context, conditioning.time_ids)
    return v.astype(jnp.float32)


def denoise(
    unet: UNetSpatioTemporalConditionModel,
    latents: Float[Array, "b t h w z"],
    conditioning: Conditioning,
    sigmas: Float[np.ndarray, " n"],
    *,
    guidance: float = 1.0,
    after_step: AfterStep | None = None,
    at_once: int | None = None,
    count: int | None = None,
    mesh: Mesh | None = None,
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
      after_step: pure; a pytree with `__call__`, so a dataclass that is registered as
        one. Blends tiles, for example.
      at_once: windows of the batch that a device works on together: what bounds the
        memory. All by default.
      count: only so many windows, the first ones, go through the U-Net; the others are
        left as something that is of no use. No other number compiles anew.
      mesh: devices with one axis, `TILES`, over which the batch is spread; the U-Net
        must be replicated over it.

    Compiled once for each U-Net configuration, shape, number of steps, guidance on or
    off, and kind of `after_step`.
    """
    if mesh is not None:
        everywhere = NamedSharding(mesh, PartitionSpec())
        latents, conditioning = jax.device_put((latents, conditioning), everywhere)
    return _run(
        unet,
        latents,
        conditioning,
        jnp.asarray(sigmas, jnp.float32),
        None if guidance == 1 else jnp.float32(guidance),
        after_step,
        None if count is None else jnp.int32(count),
        at_once,
        mesh,
    )


@functools.partial(
    jax.jit, static_argnames=("at_once", "mesh"), donate_argnames=("latents",)
)
def _run(
    unet: UNetSpatioTemporalConditionModel,
    latents: Array,
    conditioning: Conditioning,
    sigmas: Array,
    guidance: Array | None,
    after_step: AfterStep | None = None,
    count: Array | None = None,
    at_once: int | None = None,
    mesh: Mesh | None = None,
) -> Array:
    predict = functools.partial(
        _predict_all, unet, guidance, count=count, at_once=at_once, mesh=mesh
    )

    def step(x: Array, levels: tuple[Array, Array]) -> tuple[Array, None]:
        sigma, lower = levels
        x = euler_step(predict(x, sigma, conditioning), x, sigma, lower)
        return (x if after_step is None else after_step(x, lower)), None

    x, _ = jax.lax.scan(step, latents.astype(jnp.float32), (sigmas[:-1], sigmas[1:]))
    return x


def _predict_all(
    unet: UNetSpatioTemporalConditionModel,
    guidance: Array | None,
    x: Array,
    sigma: Array,
    given: Conditioning,
    *,
    count: Array | None,
    at_once: int | None,
    mesh: Mesh | None,
) -> Array:
    """v of the batch, in groups of `at_once` windows a device."""
    predict, devices = _predict, 1
    if mesh is not None:
        each, whole = PartitionSpec(TILES), PartitionSpec()
        specs = (whole, whole, each, whole, each)
        devices = mesh.size
        predict = jax.shard_map(
            _predict, mesh=mesh, in_specs=specs, out_specs=each, check_vma=False
        )
    total = len(x)
    group = devices * (at_once or -(-total // devices))
    groups = -(-total // group)
    if count is None and group == total:
        return predict(unet, guidance, x, sigma, given)
    x, given = jax.tree.map(lambda a: _padded(a, groups * group), (x, given))

    def one(i: Array, v: Array) -> Array:
        own = jax.tree.map(
            lambda a: jax.lax.dynamic_slice_in_dim(a, i * group, group), (x, given)
        )
        part = predict(unet, guidance, own[0], sigma, own[1])
        if mesh is not None:
            everywhere = NamedSharding(mesh, PartitionSpec())
            part = jax.lax.with_sharding_constraint(part, everywhere)
        return jax.lax.dynamic_update_slice_in_dim(v, part, i * group, axis=0)

    needed = groups if count is None else -(-count // group)
    return jax.lax.fori_loop(0, needed, one, jnp.zeros_like(x))[:total]


def _predict(
    unet: UNetSpatioTemporalConditionModel,
    guidance: Array | None,
    x: Array,
    sigma: Array,
    given: Conditioning,
) -> Array:
    """v of some windows; with guidance from two passes, one after the other."""

    sigmas = jnp.broadcast_to(sigma, x.shape[:1])
    if guidance is None:
        return predict_v(unet, x, sigmas, given)
    without, v = jax.lax.map(
        lambda keep: predict_v(unet, x, sigmas, given.times(keep)), jnp.arange(2.0)
    )
    return without + guidance * (v - without)


def _padded(x: Array, length: int) -> Array:
    """The last element repeats up to `length`."""
    return x[jnp.minimum(jnp.arange(length), len(x) - 1)]

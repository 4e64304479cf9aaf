"""Denoises one window of latents: all steps in one scan, compiled once per shape."""

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

TILES = "tiles"  # the mesh axis that the batch is sharded over
REPLICATED, BATCH = PartitionSpec(), PartitionSpec(TILES)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Conditioning:
    """The U-Net's inputs besides the noisy latents, for b tiles of one window."""

    channels: Float[Array, "b t h w c"]  # input channels after the noise: latents, mask
    context: Float[Array, "b k d"]  # image embeddings, k = 1 or one per frame
    time_ids: Float[Array, "b 3"]  # frames per second, motion bucket, augmentation

    def times(self, factor: Float[Array, ""] | float) -> "Conditioning":
        """Scales channels and context; 0 gives guidance's unconditional input."""
        return dataclasses.replace(
            self, channels=self.channels * factor, context=self.context * factor
        )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Batching:
    """Splits the batch over devices and over time; does not affect the results."""

    # Number of windows at the start of the batch that are denoised; the result of the
    # others is undefined. None is all. A different count needs no compilation.
    count: int | Array | None = None
    # Number of windows that a device computes together; bounds the memory. None is all.
    at_once: int | None = dataclasses.field(default=None, metadata={"static": True})
    # Devices along one axis, `TILES`: the batch is sharded over them and the U-Net must
    # be replicated on them. None is the device of the arrays.
    mesh: Mesh | None = dataclasses.field(default=None, metadata={"static": True})


# A pure function of the latents and the noise level after a step; returns latents.
AfterStep = Callable[[Array, Array], Array]


def sample(
    predict: Callable[[Array, Array], Array],
    latents: Float[Array, "*b"],
    sigmas: Float[Array, " n"],
    after_step: AfterStep | None = None,
) -> Float[Array, "*b"]:
    """Samples with Euler steps from noise level `sigmas[0]` to `sigmas[-1]`.

    Args:
      predict: v-prediction of noisy latents at a noise level.
      latents: start of sampling.
      sigmas: n noise levels, for n - 1 steps.
      after_step: changes the latents after each step, such as by blending tiles.
    """

    def step(x: Array, levels: tuple[Array, Array]) -> tuple[Array, None]:
        sigma, next_sigma = levels
        x = euler_step(predict(x, sigma), x, sigma, next_sigma)
        return (x if after_step is None else after_step(x, next_sigma)), None

    x, _ = jax.lax.scan(step, latents.astype(jnp.float32), (sigmas[:-1], sigmas[1:]))
    return x


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
    inputs = jnp.concatenate([scaled(noisy, level), conditioning.channels], axis=-1)
    v = unet(inputs, timestep(sigma), conditioning.context, conditioning.time_ids)
    return v.astype(jnp.float32)


def denoise(
    unet: UNetSpatioTemporalConditionModel,
    latents: Float[Array, "b t h w z"],
    conditioning: Conditioning,
    sigmas: Float[np.ndarray, " n"],
    *,
    guidance: float = 1.0,
    after_step: AfterStep | None = None,
    batching: Batching = Batching(),
) -> Float[Array, "b t h w z"]:
    """Samples a batch of windows (`sample`) with the U-Net, in one compiled program.

    Compiled once for each U-Net configuration, shape, number of steps, guidance on or
    off, and type of `after_step`.

    Args:
      unet: predicts v in its own dtype; the steps are float32.
      latents: float32 noise times `scheduler.initial_scale()`. Donated: where the
        device supports it, the result reuses their memory, and they cannot be used
        again.
      conditioning: constant over the steps.
      sigmas: noise levels of `scheduler.schedule`.
      guidance: scale of classifier-free guidance. 1 is a single pass of the U-Net per
        step; other values take two passes, one without conditioning, one after the
        other, in the memory of one.
      after_step: as in `sample`; a pytree with `__call__`, so a dataclass that is
        registered as one.
      batching: split of the batch over devices and over time.
    """
    if batching.mesh is not None:
        replicated = NamedSharding(batching.mesh, REPLICATED)
        latents, conditioning = jax.device_put((latents, conditioning), replicated)
    if batching.count is not None:
        batching = dataclasses.replace(batching, count=jnp.int32(batching.count))
    return _run(
        unet,
        latents,
        conditioning,
        jnp.asarray(sigmas, jnp.float32),
        None if guidance == 1 else jnp.float32(guidance),
        after_step,
        batching,
    )


@functools.partial(jax.jit, donate_argnames=("latents",))
def _run(
    unet: UNetSpatioTemporalConditionModel,
    latents: Array,
    conditioning: Conditioning,
    sigmas: Array,
    guidance: Array | None,
    after_step: AfterStep | None = None,
    batching: Batching = Batching(),
) -> Array:
    def predict(x: Array, sigma: Array) -> Array:
        return _predict_batch(unet, guidance, x, sigma, conditioning, batching)

    return sample(predict, latents, sigmas, after_step)


def _predict_batch(
    unet: UNetSpatioTemporalConditionModel,
    guidance: Array | None,
    x: Array,
    sigma: Array,
    conditioning: Conditioning,
    batching: Batching,
) -> Array:
    """Predicts v for the batch, in groups of `at_once` windows per device."""
    mesh, count = batching.mesh, batching.count
    predict, devices = _predict, 1
    if mesh is not None:
        devices = mesh.size
        predict = jax.shard_map(
            _predict,
            mesh=mesh,
            in_specs=(REPLICATED, REPLICATED, BATCH, REPLICATED, BATCH),
            out_specs=BATCH,
            check_vma=False,
        )
    total = len(x)
    group = devices * (batching.at_once or -(-total // devices))
    groups = -(-total // group)
    if count is None and group == total:
        return predict(unet, guidance, x, sigma, conditioning)

    # All groups have one size: the last window repeats until they do.
    x, conditioning = jax.tree.map(
        lambda a: _repeat_last(a, groups * group), (x, conditioning)
    )

    def predict_group(i: Array, v: Array) -> Array:
        x_group, conditioning_group = jax.tree.map(
            lambda a: jax.lax.dynamic_slice_in_dim(a, i * group, group),
            (x, conditioning),
        )
        v_group = predict(unet, guidance, x_group, sigma, conditioning_group)
        if mesh is not None:
            replicated = NamedSharding(mesh, REPLICATED)
            v_group = jax.lax.with_sharding_constraint(v_group, replicated)
        return jax.lax.dynamic_update_slice_in_dim(v, v_group, i * group, axis=0)

    groups_to_run = groups if count is None else -(-count // group)
    v = jax.lax.fori_loop(0, groups_to_run, predict_group, jnp.zeros_like(x))
    return v[:total]


def _predict(
    unet: UNetSpatioTemporalConditionModel,
    guidance: Array | None,
    x: Array,
    sigma: Array,
    conditioning: Conditioning,
) -> Array:
    """Predicts v; guidance takes two passes of the U-Net, one after the other."""
    sigmas = jnp.broadcast_to(sigma, x.shape[:1])
    if guidance is None:
        return predict_v(unet, x, sigmas, conditioning)
    unconditional, conditional = jax.lax.map(
        lambda factor: predict_v(unet, x, sigmas, conditioning.times(factor)),
        jnp.arange(2.0),
    )
    return unconditional + guidance * (conditional - unconditional)


def _repeat_last(x: Array, length: int) -> Array:
    return x[jnp.minimum(jnp.arange(length), len(x) - 1)]

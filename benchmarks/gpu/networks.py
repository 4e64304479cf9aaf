"""Measures Stable Video Diffusion's networks with random weights on a GPU."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks import measure
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import MASKED
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.svd.clip import SVD_CLIP, TINY_CLIP
from stereojax.svd.networks import NETWORKS, SVDNetworks, build
from stereojax.svd.unet import STEREOCRAFTER
from stereojax.svd.unet import TINY as TINY_UNET
from stereojax.svd.vae import SVD_VAE, TINY_VAE

FRAMES = 25
# FLOP of one U-Net call and of decoding 25 frames jointly, at 576 x 1024, counted with
# PyTorch's FlopCounterMode on diffusers' networks.
UNET_TFLOP = 79.95
DECODE_TFLOP = 173.6
NAMES = tuple(NETWORKS)  # U-Net, VAE, image encoder


def networks(small: bool) -> Iterator[dict[str, Any]]:
    """Measures the U-Net, and the VAE decoding in chunks of frames; bfloat16."""
    config = TINY_UNET if small else STEREOCRAFTER
    frames, height, width = (2, 8, 16) if small else (FRAMES, 72, 128)
    shapes = (
        (1, frames, height, width, config.in_channels),
        (1,),
        (1, 1, config.cross_attention_dim),
        (1, 3),
    )
    run = program("UNetSpatioTemporalConditionModel", config, "__call__", shapes)
    yield {"network": "U-Net", "frames": frames} | cost(run, 0 if small else UNET_TFLOP)

    config = TINY_VAE if small else SVD_VAE
    for chunk in (2,) if small else (2, 8, 25):
        shape = (1, chunk, height, width, config.latent_channels)
        run = program("AutoencoderKLTemporalDecoder", config, "decode", (shape,))
        tflop = 0 if small else DECODE_TFLOP * chunk / FRAMES
        yield {"network": "VAE decode", "frames": chunk} | cost(run, tflop)


def window(small: bool) -> Iterator[dict[str, Any]]:
    """Measures one window of the diffusion fill with `stereocrafter`'s settings."""
    frames, height, width = (2, 64, 128) if small else (FRAMES, 576, 1024)
    if small:
        configs = (
            dataclasses.replace(TINY_UNET, in_channels=MASKED),
            TINY_VAE,
            TINY_CLIP,
        )
    else:
        configs = STEREOCRAFTER, SVD_VAE, SVD_CLIP
    weights = [
        randoms(half(name, dataclasses.asdict(config)))
        for name, config in zip(NAMES, configs, strict=True)
    ]
    settings = DiffusionSettings(steps=3 if small else 8, window=frames)
    fill = Diffusion(SVDNetworks(*weights), settings, devices=jax.local_devices()[:1])
    occlusion = np.zeros((frames, height, width), np.float32)
    occlusion[:, :, width // 2 : width // 2 + width // 20] = 1
    pictures = randoms(jax.ShapeDtypeStruct((frames, height, width, 3), jnp.float32))
    noise = randoms(
        jax.ShapeDtypeStruct(
            (frames, *fill.plan.latent_shape(height, width)), jnp.float32
        )
    )
    inputs = 0.5 + pictures, jnp.asarray(occlusion), 50 * noise
    # One call less than noise levels: the last call is left out.
    facts = {"frames": frames, "size": [height, width], "calls": settings.steps - 1}
    for name, run in {
        "encode, denoise": fill.latents,
        "encode, denoise, decode": fill.generate,
    }.items():
        start = time.perf_counter()
        jax.block_until_ready(run(*inputs))
        first = time.perf_counter() - start
        timing = measure.race(
            {"": functools.partial(run, *inputs)}, rounds=2, seconds=0
        )
        stats = jax.local_devices()[0].memory_stats() or {}
        yield (
            {"what": name}
            | facts
            | {
                "s": timing[""].best,
                "s_per_frame": timing[""].best / frames,
                "first_s": first,
                "peak_GB": stats.get("peak_bytes_in_use", 0) / 1e9 or None,
            }
        )


def half(name: str, sizes: dict[str, Any]) -> nnx.Module:
    """Returns the abstract network in bfloat16."""
    return build(name, sizes, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16)


def program(name: str, config: Any, method: str, shapes: tuple) -> Callable[[], Any]:
    """Returns the compiled `method` of the network, bound to random inputs."""
    sizes = dataclasses.asdict(config)
    graph, leaves = nnx.split(half(name, sizes))
    weights = randoms(leaves)
    inputs = randoms([jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes])

    @jax.jit
    def run(weights: Any, inputs: list) -> jax.Array:
        return getattr(nnx.merge(graph, weights), method)(*inputs)

    return functools.partial(run.lower(weights, inputs).compile(), weights, inputs)


def randoms(like: Any) -> Any:
    """Returns random arrays for abstract ones: small normal values.

    Repeats a million values. Made on the host, because a program that makes a thousand
    arrays takes long to compile.
    """
    values = 0.02 * np.random.default_rng(0).standard_normal(1 << 20, np.float32)

    def random(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        return jax.device_put(np.resize(values.astype(leaf.dtype), leaf.shape))

    return jax.tree.map(random, like)


def cost(run: Callable[[], Any], tflop: float) -> dict[str, Any]:
    """Returns seconds, TFLOP/s and memory of a compiled call."""
    timing = measure.race({"": run}, seconds=1.0, rounds=3)[""]
    memory = run.func.memory_analysis()
    stats = jax.local_devices()[0].memory_stats() or {}
    return {
        "s": timing.best,
        "TFLOP/s": tflop / timing.best if tflop else None,
        "temp_GB": memory.temp_size_in_bytes / 1e9 if memory else None,
        "peak_GB": stats.get("peak_bytes_in_use", 0) / 1e9 or None,
    }

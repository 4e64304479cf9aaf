"""The items of `benchmarks.gpu`; each yields the rows of one table.

With `small` an item runs on any machine in seconds, for tests; otherwise shapes are
those of Stable Video Diffusion at 25 frames of 576 x 1024.
"""

import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks import measure, splat
from stereojax.cli import line_of
from stereojax.splat.workloads import RANGES, SIZES

Rows = Iterator[dict[str, Any]]


class Skip(Exception):
    """An item cannot run on this machine; the message is the reason."""


def splats(small: bool) -> Rows:
    """Measures every splat implementation, 25 frames in one call."""
    sizes = {"tiny": (8, 200)} if small else SIZES
    for size, shape in sizes.items():
        frames = 2 if small else (8 if size == "4k" else 25)
        for pixels in RANGES[:1] if small else RANGES:
            yield from splat.compare(shape, pixels, frames, 0.3, size, ["CUDA atomics"])


def attention(small: bool) -> Rows:
    """Measures self-attention over a frame's tokens, and over frames per token."""
    shapes = [(25, 9216, 5, 64), (25, 2304, 10, 64), (9216, 25, 5, 64)]
    for b, t, h, d in [(2, 64, 2, 16)] if small else shapes:
        q = jax.random.normal(jax.random.key(0), (b, t, h, d), jnp.bfloat16)
        flops = 4 * b * h * t * t * d
        for name, function in ATTENTION.items():
            row = {"shape": [b, t, h, d], "form": name}
            if name == "xla" and b * h * t * t > 2**32:
                yield row | {"note": "the logits would take more than 16 GB"}
                continue
            yield row | timed(function, q, flops=flops)


def dot_product(q: jax.Array, *, implementation: str) -> jax.Array:
    return jax.nn.dot_product_attention(q, q, q, implementation=implementation)


def frame_by_frame(q: jax.Array) -> jax.Array:
    def one(frame: jax.Array) -> jax.Array:
        return dot_product(frame[None], implementation="xla")[0]

    return lax.map(one, q)


ATTENTION: dict[str, Callable] = {
    "cudnn": functools.partial(dot_product, implementation="cudnn"),
    "xla": functools.partial(dot_product, implementation="xla"),
    "xla, a frame at a time": frame_by_frame,
}


def convolutions(small: bool) -> Rows:
    """Measures NHWC convolutions of the U-Net (3x3, temporal 3x1) and of the VAE."""
    unet = [(25, 72, 128, 320), (25, 36, 64, 640), (25, 18, 32, 1280)]
    vae = [(8, 576, 1024, 128), (8, 288, 512, 256)]
    for n, h, w, c in [(2, 8, 8, 16)] if small else [*unet, *vae]:
        for kernel in ((3, 3), (3, 1)):
            # A temporal convolution has time as height and a frame's pixels as width.
            shape = (n, h, w, c) if kernel == (3, 3) else (1, n, h * w, c)
            x = jax.random.normal(jax.random.key(0), shape, jnp.bfloat16)
            weights = jax.random.normal(jax.random.key(1), (*kernel, c, c), x.dtype)
            flops = 2 * n * h * w * c * c * kernel[0] * kernel[1]
            row = {"shape": list(shape), "kernel": list(kernel)}
            yield row | timed(convolution, x, weights, flops=flops)


def convolution(x: jax.Array, weights: jax.Array) -> jax.Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, weights, (1, 1), "SAME", dimension_numbers=layout
    )


def copies(small: bool) -> Rows:
    """Measures the memory bandwidth, for rooflines."""
    for megabytes in (16,) if small else (64, 1024):
        speed = splat.copy_speed(megabytes << 20)
        yield {"MB": megabytes, "GB/s": speed / 1e9}


def networks(small: bool) -> Rows:
    """Measures the U-Net, and the VAE decoding in chunks; random bfloat16 weights."""
    yield from _networks().networks(small)


def window(small: bool) -> Rows:
    """Measures one window of the diffusion fill, from splatted to right views."""
    yield from _networks().window(small)


def _networks() -> ModuleType:
    try:
        from benchmarks.gpu import networks
    except ImportError as error:
        raise Skip(f"the networks cannot be imported: {error}") from error
    return networks


ITEMS: dict[str, Callable[[bool], Rows]] = {
    "copy": copies,
    "splat": splats,
    "attention": attention,
    "convolution": convolutions,
    "networks": networks,
    "window": window,
}


def timed(function: Callable, *arrays: jax.Array, flops: int) -> dict[str, Any]:
    """Returns milliseconds, TFLOP/s and temporary memory of one call, or its error."""
    try:
        program = jax.jit(function).lower(*arrays).compile()
        timing = measure.race({"": lambda: program(*arrays)}, seconds=0.3)[""]
    except Exception as error:
        return {"note": line_of(error)[:180]}
    memory = program.memory_analysis()
    return {
        "ms": timing.best * 1e3,
        "TFLOP/s": flops / timing.best / 1e12,
        "temp_MB": memory.temp_size_in_bytes / 1e6 if memory else None,
    }

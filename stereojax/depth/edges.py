"""Depth with clean silhouettes: no ramp from near to far for the splat to stretch.

A network's depth crosses from an object to what lies behind it over several pixels.
Each of them would be moved by a disparity that belongs to neither, and they spread over
the gap like rubber. Here a ramp becomes a step, and the nearer side then grows a little
to the right, so that the pixels in which the camera mixed both colours go along with
the object: the gap opens on its right. What is smooth over the window, such as a
slanted floor, stays as it is. Everything depends on the one frame, and fixed numbers.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from stereojax.ops.bilinear import bilinear
from stereojax.ops.taps import resize
from stereojax.shapes import Array, Float
from stereojax.stage_types import REFERENCE_WIDTH

# Pixels in the settings are meant at this width of the picture.
# Of the range in the window to that in twice the window: a slope has 0.5, a step 1.
SLOPE, STEP = 0.53, 0.6


@functools.partial(
    jax.jit, static_argnames=("height", "width", "sharpen", "dilate", "threshold")
)
def clean_edges(
    depth: Float[Array, "*b hd wd"],
    height: int,
    width: int,
    *,
    sharpen: float = 4.0,
    dilate: float = 1.0,
    threshold: float = 0.04,
) -> Float[Array, "*b h w"]:
    """Normalised depth, brought to the picture's size, with steps for silhouettes.

    Args:
      depth: in [0, 1], 1 = nearest; finite.
      height, width: of the picture; depth is resized bilinearly.
      sharpen: radius of the window in which a ramp becomes a step, in pixels at a
        width of 1024: about half as wide as the widest ramp. 0 = off.
      dilate: growth of the nearer side to the right, in pixels at 1024. 0 = off.
      threshold: depth range within the window below which nothing happens; at twice
        that and above, all of it. 0.04 is 0.8 pixels at 1024 and 2 % divergence.
    """
    depth = _resized(depth, height, width)
    if radius := _pixels(sharpen, width):
        low = _around(jnp.minimum, depth, radius)
        high = _around(jnp.maximum, depth, radius)
        span = high - low
        wide = _around(jnp.maximum, high, radius) - _around(jnp.minimum, low, radius)
        # A ramp that ends inside the window has no more range in one twice as large; a
        # slope that goes on has twice as much there, and is no silhouette.
        share = span / jnp.where(wide > 0, wide, 1)
        gate = _gate(span, threshold) * jnp.clip((share - SLOPE) / (STEP - SLOPE), 0, 1)
        step = jnp.where(2 * depth > low + high, high, low)
        depth += gate * (step - depth)
    if reach := _pixels(dilate, width):
        near = _running(jnp.maximum, depth, reach, 0, axis=-1)
        depth += _gate(near - depth, threshold) * (near - depth)
    return depth


def _pixels(amount: float, width: int) -> int:
    """At least 1, however small the picture, unless the setting is 0."""
    return max(1, round(amount * width / REFERENCE_WIDTH)) if amount > 0 else 0


def _resized(
    depth: Float[Array, "*b hd wd"], height: int, width: int
) -> Float[Array, "*b h w"]:
    if depth.shape[-2:] == (height, width):
        return depth
    rows = bilinear(depth.shape[-2], height, align_corners=False)
    columns = bilinear(depth.shape[-1], width, align_corners=False)
    return resize(depth[..., None], rows, columns)[..., 0]


def _gate(span: Float[Array, "*s"], threshold: float) -> Float[Array, "*s"]:
    """0 up to the threshold, 1 from twice that on: no pixel flips from frame to frame
    because its range lies near a limit."""
    return jnp.clip(span / threshold - 1, 0, 1)


def _around(op: Callable, x: Float[Array, "*b h w"], radius: int) -> Array:
    rows = _running(op, x, radius, radius, axis=-2)
    return _running(op, rows, radius, radius, axis=-1)


def _running(op: Callable, x: Array, before: int, after: int, *, axis: int) -> Array:
    """`op` over the samples from `before` before each to `after` after it.

    By doubling: log2(window) steps over the whole array, where a window that is slid
    over it costs its length.
    """
    size, length = before + after + 1, x.shape[axis]
    padding = [(0, 0)] * x.ndim
    padding[axis] = (before, after)
    x = jnp.pad(x, padding, mode="edge")

    def shifted(x: Array, by: int, count: int) -> Array:
        return jax.lax.slice_in_dim(x, by, by + count, axis=x.ndim + axis)

    done = 1
    while 2 * done <= size:
        count = x.shape[axis] - done
        x, done = op(shifted(x, 0, count), shifted(x, done, count)), 2 * done
    return op(shifted(x, 0, length), shifted(x, size - done, length))

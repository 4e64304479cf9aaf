"""Sharpens depth at silhouettes, so that the splat does not stretch ramps.

A network's depth changes from an object to its background over several pixels. Each of
these pixels would be moved by a disparity between the two, and together they would be
stretched over the hole. Here a ramp becomes a step. The nearer side then grows a little
to the right, because the hole opens on the right of an object: the pixels in which the
camera mixed both colours move with the object. Depth that is smooth over the window,
such as a slanted floor, does not change. The result depends on a single frame only.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from stereojax.ops.bilinear import bilinear
from stereojax.ops.taps import resize
from stereojax.shapes import Array, Float
from stereojax.stage_types import REFERENCE_WIDTH

# Ratio of the depth range in the window to that in a window twice as large: 0.5 for a
# slope, 1 for a step. Up to SLOPE nothing changes; from STEP on all of it does.
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
    """Returns normalised depth at the picture's size, with steps at silhouettes.

    Args:
      depth: in [0, 1], 1 = nearest; finite.
      height, width: size of the picture; depth is resized bilinearly.
      sharpen: radius of the window in which a ramp becomes a step, in pixels at a
        picture width of 1024: about half the width of the widest ramp. 0 = off.
      dilate: growth of the nearer side to the right, in pixels at 1024. 0 = off.
      threshold: depth range within the window up to which nothing changes; from twice
        the threshold on, the full change. 0.04 is 0.8 pixels at 1024 and 2 %
        divergence.
    """
    depth = _resized(depth, height, width)
    if radius := _pixels(sharpen, width):
        low = _around(jnp.minimum, depth, radius)
        high = _around(jnp.maximum, depth, radius)
        span = high - low
        wide = _around(jnp.maximum, high, radius) - _around(jnp.minimum, low, radius)
        # A ramp that ends inside the window has the same range in a window twice as
        # large; a slope has twice the range there, and is not a silhouette.
        share = span / jnp.where(wide > 0, wide, 1)
        gate = _gate(span, threshold) * jnp.clip((share - SLOPE) / (STEP - SLOPE), 0, 1)
        step = jnp.where(2 * depth > low + high, high, low)
        depth += gate * (step - depth)
    if reach := _pixels(dilate, width):
        near = _running(jnp.maximum, depth, reach, 0, axis=-1)
        depth += _gate(near - depth, threshold) * (near - depth)
    return depth


def _pixels(amount: float, width: int) -> int:
    """Scales a setting to the picture's width; at least 1 unless the setting is 0."""
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
    """Returns 0 up to the threshold, 1 from twice the threshold on, linear between.

    A hard limit would let pixels near it flip from frame to frame.
    """
    return jnp.clip(span / threshold - 1, 0, 1)


def _around(op: Callable, x: Float[Array, "*b h w"], radius: int) -> Array:
    rows = _running(op, x, radius, radius, axis=-2)
    return _running(op, rows, radius, radius, axis=-1)


def _running(op: Callable, x: Array, before: int, after: int, *, axis: int) -> Array:
    """Applies `op`, such as the maximum, over a running window along `axis`.

    The window of a sample has `before` samples before it and `after` after it. By
    doubling: log2(window) operations on the array instead of one per window sample.
    """
    size, length = before + after + 1, x.shape[axis]
    padding = [(0, 0)] * x.ndim
    padding[axis] = (before, after)
    x = jnp.pad(x, padding, mode="edge")

    def shifted(x: Array, by: int, count: int) -> Array:
        return jax.lax.slice_in_dim(x, by, by + count, axis=x.ndim + axis)

    covered = 1  # samples that each element of `x` covers
    while 2 * covered <= size:
        count = x.shape[axis] - covered
        x = op(shifted(x, 0, count), shifted(x, covered, count))
        covered *= 2
    return op(shifted(x, 0, length), shifted(x, size - covered, length))

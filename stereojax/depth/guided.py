"""The guided filter: smooths an array along the edges of a picture.

Follows He, Sun & Tang, "Guided Image Filtering" (2013), with a colour guide, and He &
Sun, "Fast Guided Filter" (arXiv 1505.00996): the linear coefficients are smooth, so
they are computed on a coarser grid and enlarged.
"""

import jax.numpy as jnp
import numpy as np

from stereojax.ops.bilinear import bilinear
from stereojax.ops.taps import resize
from stereojax.shapes import Array, Float

COARSER = 4


def guided_filter(
    guide: Float[Array, "h w 3"], x: Float[Array, "h w c"], radius: int, epsilon: float
) -> Float[Array, "h w c"]:
    """Approximates `x` by a function that is locally linear in the guide's colours.

    Args:
      guide: picture in [0, 1].
      x: array to filter.
      radius: half the side of the square window, in pixels.
      epsilon: variance of the guide below which it counts as flat and `x` is averaged.
    """
    h, w, c = x.shape
    small = mean_pool(guide, COARSER)
    window = max(1, round(radius / COARSER))
    slope, offset = _coefficients(small, mean_pool(x, COARSER), window, epsilon)
    coefficients = jnp.concatenate(
        [slope.reshape(*offset.shape[:2], 3 * c), offset], axis=-1
    )
    coefficients = _enlarged(box_mean(coefficients, window))[:h, :w]
    slope, offset = (
        coefficients[..., : 3 * c].reshape(h, w, c, 3),
        coefficients[..., 3 * c :],
    )
    return (slope * guide[:, :, None]).sum(-1) + offset


def _coefficients(
    guide: Float[Array, "h w 3"], x: Float[Array, "h w c"], window: int, epsilon: float
) -> tuple[Float[Array, "h w c 3"], Float[Array, "h w c"]]:
    """Returns the least-squares fit x = slope . guide + offset of each window."""
    mean, mean_x = box_mean(guide, window), box_mean(x, window)
    square = guide[..., :, None] * guide[..., None, :]
    covariance = _box_mean_of(square, window) - mean[..., :, None] * mean[..., None, :]
    cross = x[..., :, None] * guide[..., None, :]
    cross = _box_mean_of(cross, window) - mean_x[..., :, None] * mean[..., None, :]
    inverse = _inverse(covariance + epsilon * jnp.eye(3))
    # A sum and not a matrix product, which accelerators round to bfloat16.
    slope = (cross[..., :, :, None] * inverse[..., None, :, :]).sum(-2)
    return slope, mean_x - (slope * mean[..., None, :]).sum(-1)


def _box_mean_of(x: Float[Array, "h w a b"], window: int) -> Float[Array, "h w a b"]:
    h, w, a, b = x.shape
    return box_mean(x.reshape(h, w, a * b), window).reshape(x.shape)


def _inverse(m: Float[Array, "h w 3 3"]) -> Float[Array, "h w 3 3"]:
    """Inverts symmetric matrices by their cofactors."""
    a, b, c = m[..., 0, 0], m[..., 0, 1], m[..., 0, 2]
    d, e, f = m[..., 1, 1], m[..., 1, 2], m[..., 2, 2]
    first = (d * f - e * e, c * e - b * f, b * e - c * d)
    second = (first[1], a * f - c * c, b * c - a * e)
    third = (first[2], second[2], a * d - b * b)
    determinant = a * first[0] + b * first[1] + c * first[2]
    rows = [jnp.stack(row, axis=-1) for row in (first, second, third)]
    return jnp.stack(rows, axis=-2) / determinant[..., None, None]


def box_mean(x: Float[Array, "h w c"], radius: int) -> Float[Array, "h w c"]:
    """Returns the mean of the square window around each pixel, cut at the borders."""
    for axis in (0, 1):
        size = x.shape[axis]
        index = np.arange(size)
        stop = np.minimum(index + radius + 1, size)
        start = np.maximum(index - radius, 0)
        shape = [1, 1, 1]
        shape[axis] = size
        # One axis at a time: float32 sums over the whole picture would lose digits.
        padding = [(0, 0)] * 3
        padding[axis] = (1, 0)
        sums = jnp.pad(jnp.cumsum(x, axis=axis), padding)
        total = jnp.take(sums, stop, axis=axis) - jnp.take(sums, start, axis=axis)
        x = total / (stop - start).reshape(shape).astype(np.float32)
    return x


def mean_pool(x: Float[Array, "h w c"], factor: int) -> Float[Array, "h2 w2 c"]:
    """Returns means of `factor` x `factor` blocks; the last row and column repeat."""
    h, w, c = x.shape
    rows, columns = -(-h // factor), -(-w // factor)
    padding = ((0, rows * factor - h), (0, columns * factor - w), (0, 0))
    x = jnp.pad(x, padding, mode="edge")
    return x.reshape(rows, factor, columns, factor, c).mean((1, 3))


def _enlarged(x: Float[Array, "h w c"]) -> Float[Array, "h2 w2 c"]:
    h, w, _ = x.shape
    rows = bilinear(h, h * COARSER, align_corners=False)
    columns = bilinear(w, w * COARSER, align_corners=False)
    return resize(x, rows, columns)

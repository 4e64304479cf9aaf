"""Preprocesses pictures for CLIP: an antialiased resize, then a normalisation.

Follows diffusers 0.42 (Apache-2.0), pipelines/stable_video_diffusion: a Gaussian blur
with reflected edges, then a bicubic resize to a square with `align_corners=True`. The
aspect ratio is not kept.
"""

import jax.numpy as jnp
import numpy as np

from stereojax.ops.bicubic import bicubic
from stereojax.ops.taps import Taps, resize
from stereojax.shapes import Array, Float

MEAN = np.float32([0.48145466, 0.4578275, 0.40821073])
STD = np.float32([0.26862954, 0.26130258, 0.27577711])


def clip_pixels(
    frames: Float[Array, "*b h w 3"], size: int = 224
) -> Float[Array, "*b size size 3"]:
    """Returns the pixels that CLIP takes for RGB frames in [0, 1]: float32, normalised.

    Values that the bicubic resize moves outside [0, 1] are not clipped. diffusers
    resizes in [-1, 1] and maps the result to [0, 1]; the weights of the resize sum
    to 1, so both give the same pixels.
    """
    height, width = frames.shape[-3:-1]
    x = frames.astype(jnp.float32)
    x = resize(x, _antialiased(height, size), _antialiased(width, size))
    return (x - MEAN) / STD


def _antialiased(size: int, out: int) -> Taps:
    """Returns the taps, along one axis, of the blur followed by the resize."""
    matrix = bicubic(size, out, align_corners=True).matrix() @ _blur(size, size / out)
    nonzero = matrix != 0
    first = nonzero.argmax(axis=1)
    count = int((size - nonzero[:, ::-1].argmax(axis=1) - first).max())
    first = np.minimum(first, size - count)
    index = first[:, None] + np.arange(count)
    return Taps(size, index, np.take_along_axis(matrix, index, axis=1))


def _blur(size: int, factor: float) -> np.ndarray:
    """Returns the (size, size) matrix of the blur before a reduction by `factor`."""
    sigma = max((factor - 1) / 2, 0.001)
    kernel_size = int(max(4 * sigma, 3))
    kernel_size += kernel_size % 2 == 0
    radius = kernel_size // 2
    if radius >= size:
        raise ValueError(
            f"a side of {size} pixels is too short for a blur kernel of {kernel_size};"
            f" expected at least {radius + 1}"
        )
    # float32, as in torch; a sigma of 0.001 gives a single weight of 1.
    offset = np.arange(-radius, radius + 1, dtype=np.float32)
    weight = np.exp(-np.square(offset) / (2 * np.square(np.float32(sigma))))
    weight = (weight / weight.sum()).astype(np.float64)
    index = np.abs(np.arange(size)[:, None] + np.arange(-radius, radius + 1))
    index = np.where(index >= size, 2 * (size - 1) - index, index)  # reflected
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], index), weight[None])
    return matrix

"""Preprocesses pictures for CLIP: an antialiased resize and a normalisation.

Follows diffusers 0.42 (Apache-2.0), pipelines/stable_video_diffusion: a Gaussian blur
with reflected edges, then a bicubic resize with aligned corners to a square, for any
aspect ratio.
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
    """Returns normalised float32 pixels of RGB in [0, 1]; keeps the resize's overshoot.

    diffusers resizes in [-1, 1] and maps back to [0, 1]: the weights sum to 1, so the
    result is the same.
    """
    height, width = frames.shape[-3:-1]
    x = frames.astype(jnp.float32)
    x = resize(x, _antialiased(height, size), _antialiased(width, size))
    return (x - MEAN) / STD


def _antialiased(size: int, out: int) -> Taps:
    """Returns one axis of the blur and the resize, as the taps of their product."""
    matrix = bicubic(size, out, align_corners=True).matrix() @ _blur(size, size / out)
    nonzero = matrix != 0
    first = nonzero.argmax(axis=1)
    count = int((size - nonzero[:, ::-1].argmax(axis=1) - first).max())
    first = np.minimum(first, size - count)
    index = first[:, None] + np.arange(count)
    return Taps(size, index, np.take_along_axis(matrix, index, axis=1))


def _blur(size: int, factor: float) -> np.ndarray:
    """Returns the (size, size) matrix of the Gaussian for shrinking by `factor`."""
    sigma = max((factor - 1) / 2, 0.001)
    taps = int(max(4 * sigma, 3))
    taps += taps % 2 == 0
    reach = taps // 2
    if reach >= size:
        raise ValueError(f"{size} pixels are too few to blur over {taps}")
    # torch's float32 arithmetic; a sigma of 0.001 gives a single weight of 1.
    offset = np.arange(-reach, reach + 1, dtype=np.float32)
    weight = np.exp(-np.square(offset) / (2 * np.square(np.float32(sigma))))
    weight = (weight / weight.sum()).astype(np.float64)
    index = np.abs(np.arange(size)[:, None] + np.arange(-reach, reach + 1))
    index = np.where(index >= size, 2 * (size - 1) - index, index)  # reflected
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], index), weight[None])
    return matrix

"""Preprocesses video frames for depth networks: batches, resizes, normalises.

`preprocess` follows the `image2tensor` of DepthAnything/Depth-Anything-V2 (Apache-2.0),
`network_size` the resize of MiDaS (MIT), which other depth networks use as well.
"""

import itertools
import math
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from stereojax.ops.bicubic import bicubic
from stereojax.ops.integers import as_float
from stereojax.ops.taps import resize
from stereojax.shapes import Array, Float, Shaped

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def padded_batches(
    frames: Iterator[np.ndarray], size: int
) -> Iterator[tuple[Shaped[np.ndarray, "b h w 3"], int]]:
    """Yields batches of `size` frames, and how many frames of each are real.

    The last batch repeats its last frame, so that one compiled shape serves all.
    """
    while batch := list(itertools.islice(frames, size)):
        count = len(batch)
        yield np.stack(batch + [batch[-1]] * (size - count)), count


def network_size(
    height: int, width: int, *, shortest: int = 518, multiple: int = 14
) -> tuple[int, int]:
    """Returns the network's rows and columns: aspect kept, sides at least `shortest`.

    1080 x 1920 becomes 518 x 924. `shortest` must be a multiple of `multiple`.
    """
    scale = max(shortest / height, shortest / width)

    def side(pixels: float) -> int:
        rounded = round(pixels / multiple) * multiple  # half to even, as numpy
        return (
            rounded if rounded >= shortest else math.ceil(pixels / multiple) * multiple
        )

    return side(scale * height), side(scale * width)


def preprocess(
    frames: Shaped[Array, "b h w 3"], size: tuple[int, int]
) -> Float[Array, "b hd wd 3"]:
    """Returns uint8 or uint16 RGB frames as float32 inputs of Depth Anything.

    Without antialias and clipping, as in the training of the network.
    """
    x = to_size(frames, size)
    return (x - np.array(MEAN, np.float32)) / np.array(STD, np.float32)


def to_size(
    frames: Shaped[Array, "b h w 3"], size: tuple[int, int]
) -> Float[Array, "b hd wd 3"]:
    """Resizes with OpenCV's cubic filter; white is 1, overshoot is kept.

    Raises:
      ValueError: the frames are neither uint8 nor uint16.
    """
    if frames.dtype not in (jnp.uint8, jnp.uint16):
        raise ValueError(f"frames of {frames.dtype}: expected uint8 or uint16")
    taps = [bicubic(n, m) for n, m in zip(frames.shape[1:3], size, strict=True)]
    return resize(as_float(frames), *taps)

"""Video frames to what a depth network sees: resized and normalised.

`preprocess` follows the `image2tensor` of DepthAnything/Depth-Anything-V2 (Apache-2.0),
`network_size` the resize of MiDaS (MIT), which other depth networks took over.
"""

import math

import jax.numpy as jnp
import numpy as np

from stereojax.ops.bicubic import bicubic
from stereojax.ops.taps import resize
from stereojax.shapes import Array, Float, Shaped

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def network_size(
    height: int, width: int, *, shortest: int = 518, multiple: int = 14
) -> tuple[int, int]:
    """Rows and columns for the network: aspect kept, both sides at least `shortest`.

    1080 x 1920 becomes 518 x 924. `shortest` must itself be a multiple.
    """
    scale = max(shortest / height, shortest / width)

    def side(pixels: float) -> int:
        rounded = round(pixels / multiple) * multiple  # half to even, as numpy's
        return (
            rounded if rounded >= shortest else math.ceil(pixels / multiple) * multiple
        )

    return side(scale * height), side(scale * width)


def preprocess(
    frames: Shaped[Array, "b h w 3"], size: tuple[int, int]
) -> Float[Array, "b hd wd 3"]:
    """uint8 or uint16 RGB frames to what Depth Anything sees, float32.

    No antialias and no clipping: that is what the network was trained with.
    """
    x = to_size(frames, size)
    return (x - np.array(MEAN, np.float32)) / np.array(STD, np.float32)


def to_size(
    frames: Shaped[Array, "b h w 3"], size: tuple[int, int]
) -> Float[Array, "b hd wd 3"]:
    """Resizes as OpenCV's cubic filter does; white is 1, overshoot stays.

    Raises:
      ValueError: the frames are neither uint8 nor uint16.
    """
    if frames.dtype not in (jnp.uint8, jnp.uint16):
        raise ValueError(f"frames of {frames.dtype}: expected uint8 or uint16")
    x = frames.astype(jnp.float32) / np.iinfo(frames.dtype).max
    taps = [bicubic(n, m) for n, m in zip(frames.shape[1:3], size, strict=True)]
    return resize(x, *taps)

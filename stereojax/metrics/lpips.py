"""LPIPS, a learned perceptual distance, on the features of AlexNet.

Follows Zhang et al., CVPR 2018 (arXiv 1801.03924), in version 0.1 of the authors'
package `lpips` (BSD-2-Clause), on torchvision's AlexNet (BSD-3-Clause).
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from stereojax.shapes import Array, Float

PART = "lpips_alex"  # folder in the weights root
MIN_SIDE = 31  # pixels per side; below, the second pooling has nothing to pool

# Mean and standard deviation of ImageNet's colours, for pictures in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
CHANNELS = (64, 192, 384, 256, 256)
EPSILON = 1e-10


class LPIPS(nnx.Module):
    """The perceptual distance of two pictures: 0 = identical, larger = more different.

    Computes in float32 at full precision on every device, so that its values can be
    compared with published values.
    """

    def __init__(self, *, rngs: nnx.Rngs):
        self.net = AlexNet(rngs=rngs)
        for i, channels in enumerate(CHANNELS):
            setattr(self, f"lin{i}", _conv(channels, 1, 1, use_bias=False, rngs=rngs))

    def __call__(
        self, picture: Float[Array, "*b h w 3"], truth: Float[Array, "*b h w 3"]
    ) -> Float[Array, "*b"]:
        """Returns the distance of each pair of RGB pictures in [0, 1].

        Raises:
          ValueError: a side is below `MIN_SIDE`.
        """
        *batch, h, w, _ = picture.shape
        if min(h, w) < MIN_SIDE:
            raise ValueError(
                f"LPIPS of {w}x{h}: expected at least {MIN_SIDE} px per side"
            )
        images = jnp.stack([picture, truth]).astype(jnp.float32).reshape(-1, h, w, 3)
        total = jnp.float32(0)
        for i, features in enumerate(self.net(_scaled(images))):
            x, y = jnp.split(_normalized(features), 2)
            weighted = getattr(self, f"lin{i}")(jnp.square(x - y))
            total += weighted.mean((1, 2, 3))
        return total.reshape(batch)


class AlexNet(nnx.Module):
    """AlexNet's five convolutions; returns the output of each, after its ReLU."""

    def __init__(self, *, rngs: nnx.Rngs):
        a, b, c, d, e = CHANNELS
        self.slice1 = _conv(3, a, 11, stride=4, edge=2, rngs=rngs)
        self.slice2 = _conv(a, b, 5, edge=2, rngs=rngs)
        self.slice3 = _conv(b, c, 3, edge=1, rngs=rngs)
        self.slice4 = _conv(c, d, 3, edge=1, rngs=rngs)
        self.slice5 = _conv(d, e, 3, edge=1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w 3"]) -> list[Float[Array, "n _ _ _"]]:
        maps = [nnx.relu(self.slice1(x))]
        maps.append(nnx.relu(self.slice2(_pooled(maps[-1]))))
        maps.append(nnx.relu(self.slice3(_pooled(maps[-1]))))
        maps.append(nnx.relu(self.slice4(maps[-1])))
        maps.append(nnx.relu(self.slice5(maps[-1])))
        return maps


def _conv(
    inputs: int,
    outputs: int,
    size: int,
    *,
    stride: int = 1,
    edge: int = 0,
    **options: Any,
) -> nnx.Conv:
    return nnx.Conv(
        inputs,
        outputs,
        (size, size),
        strides=stride,
        padding=((edge, edge),) * 2,
        precision=jax.lax.Precision.HIGHEST,
        **options,
    )


def _pooled(x: Float[Array, "n h w c"]) -> Float[Array, "n _ _ c"]:
    return nnx.max_pool(x, (3, 3), (2, 2), "VALID")


def _scaled(x: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    return (2 * x - 1 - jnp.array(SHIFT)) / jnp.array(SCALE)


def _normalized(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Returns each pixel's features, scaled to length 1."""
    square = jnp.square(x).sum(-1, keepdims=True)
    # Where all features are zero, the gradient of the root would be infinite.
    length = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
    return x / (length + EPSILON)

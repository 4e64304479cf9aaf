"""The temporal module of Video Depth Anything: attention over frames at each pixel.

Follows DepthAnything/Video-Depth-Anything (Apache-2.0), whose motion module is that of
guoyww/AnimateDiff (Apache-2.0); attribute names are those of its checkpoints.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, FeedForward, GroupNorm, layer_norm, linear
from stereojax.svd.transformer import SelfAttention

# Limits of the widest layer's activations. A CPU is fastest within its cache.
CPU_BYTES = 16 << 20
ACCELERATOR_BYTES = 1 << 30


class TemporalModule(nnx.Module):
    """Adds temporal attention between the layers of a network for single frames."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        frames: int,  # the longest window
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        self.temporal_transformer = TemporalTransformer(
            features, heads=heads, frames=frames, compute=compute, rngs=rngs
        )

    def __call__(self, x: Float[Array, "t h w c"]) -> Float[Array, "t h w c"]:
        """Applies the module to the maps of one window's frames, in order."""
        return self.temporal_transformer(x)


class TemporalTransformer(nnx.Module):
    """A residual branch: a norm within each frame, attention over frames per pixel."""

    def __init__(
        self, features: int, *, heads: int, frames: int, compute: Compute, rngs
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.norm = GroupNorm(features, epsilon=1e-6, **kwargs)
        self.proj_in = linear(features, features, **kwargs)
        self.transformer_blocks = nnx.List(
            [TemporalBlock(features, heads=heads, frames=frames, **kwargs)]
        )
        self.proj_out = linear(features, features, **kwargs)

    def __call__(self, x: Float[Array, "t h w c"]) -> Float[Array, "t h w c"]:
        t, h, w, c = x.shape
        normed = self.norm(x[None])[0]
        rows = _rows_at_once(x)

        def branch(band: Array) -> Array:
            hidden = self.proj_in(band.reshape(1, t, rows * w, c))
            hidden = self.proj_out(self.transformer_blocks[0](hidden))
            return hidden.reshape(t, rows, w, c)

        bands = jnp.moveaxis(normed.reshape(t, h // rows, rows, w, c), 1, 0)
        out = jnp.moveaxis(jax.lax.map(branch, bands), 0, 1)
        return x + out.reshape(x.shape)


class TemporalBlock(nnx.Module):
    """Two attentions and a feed-forward layer, each with a norm and a residual."""

    def __init__(
        self, features: int, *, heads: int, frames: int, compute: Compute, rngs
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.features, self.frames = features, frames
        self.attention_blocks = nnx.List(
            SelfAttention(features, heads=heads, over="frames", **kwargs)
            for _ in range(2)
        )
        self.norms = nnx.List(layer_norm(features, **kwargs) for _ in range(2))
        self.ff = FeedForward(features, **kwargs)
        self.ff_norm = layer_norm(features, **kwargs)

    def __call__(self, x: Float[Array, "1 t s c"]) -> Float[Array, "1 t s c"]:
        t = x.shape[1]
        if t > self.frames:
            raise ValueError(f"a window of {t} frames: at most {self.frames}")
        embedding = positions(self.frames, self.features)[:t, None]
        for attend, norm in zip(self.attention_blocks, self.norms, strict=True):
            y = norm(x)
            x = x + attend(y + jnp.asarray(embedding, y.dtype))
        return x + self.ff(self.ff_norm(x))


def _rows_at_once(x: Float[Array, "t h w c"]) -> int:
    """Returns the number of rows to compute together; pixels are independent.

    The feed-forward layer has eight times the channels of the maps.
    """
    t, h, w, c = x.shape
    limit = CPU_BYTES if jax.default_backend() == "cpu" else ACCELERATOR_BYTES
    most = max(1, limit // (8 * t * w * c * x.dtype.itemsize))
    return max(rows for rows in range(1, min(most, h) + 1) if h % rows == 0)


def positions(frames: int, features: int) -> np.ndarray:
    """Returns (frames, features) float32: alternating sines and cosines of the frame.

    The `pe` buffers of the checkpoints have the same values.
    """
    rate = np.exp(np.arange(0, features, 2) * (-math.log(10000.0) / features))
    angle = np.arange(frames)[:, None] * rate
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return waves.reshape(frames, features).astype(np.float32)

"""Residual blocks: within each frame, across frames, and both in sequence.

Follows diffusers 0.42 (Apache-2.0), models/resnet.py.
"""

from collections.abc import Sequence

import jax
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import (
    AlphaBlender,
    Compute,
    GroupNorm,
    Moments,
    TemporalConv,
    conv,
    linear,
)


def residual_blocks(
    block: type[nnx.Module], features_in: Sequence[int], features_out: int, **kwargs
) -> nnx.Module:
    """Returns one `block` per entry of `features_in`, the channels into it."""
    return nnx.List(block(features, features_out, **kwargs) for features in features_in)


class ResnetBlock2D(nnx.Module):
    """Norm, SiLU and 3x3 convolution, twice, on each frame separately."""

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        time_features: int | None,
        epsilon: float,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.norm1 = GroupNorm(features_in, epsilon=epsilon, **kwargs)
        self.conv1 = conv(features_in, features_out, 3, **kwargs)
        self.time_emb_proj = (
            linear(time_features, features_out, **kwargs) if time_features else None
        )
        self.norm2 = GroupNorm(features_out, epsilon=epsilon, **kwargs)
        self.conv2 = conv(features_out, features_out, 3, **kwargs)
        self.conv_shortcut = (
            conv(features_in, features_out, 1, **kwargs)
            if features_in != features_out
            else None
        )

    def __call__(
        self, x: Float[Array, "b t h w c"], temb: Float[Array, "b k"] | None = None
    ) -> Float[Array, "b t h w d"]:
        hidden = self.conv1(jax.nn.silu(self.norm1(x)))
        if self.time_emb_proj is not None:
            hidden += self.time_emb_proj(jax.nn.silu(temb))[:, None, None, None]
        hidden = self.conv2(jax.nn.silu(self.norm2(hidden)))
        return hidden + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class TemporalResnetBlock(nnx.Module):
    """A residual block with convolutions over frames, and norms over all frames.

    So every frame of a window depends on every other, and on their number.
    """

    def __init__(
        self,
        features: int,
        *,
        time_features: int | None,
        epsilon: float,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.norm1 = GroupNorm(features, epsilon=epsilon, over="frames", **kwargs)
        self.conv1 = TemporalConv(features, features, **kwargs)
        self.time_emb_proj = (
            linear(time_features, features, **kwargs) if time_features else None
        )
        self.norm2 = GroupNorm(features, epsilon=epsilon, over="frames", **kwargs)
        self.conv2 = TemporalConv(features, features, **kwargs)

    def __call__(
        self, x: Float[Array, "b t h w c"], temb: Float[Array, "b k"] | None = None
    ) -> Float[Array, "b t h w c"]:
        hidden = self.inner(x, self.norm1.moments(x), temb)
        return self.outer(x, hidden, self.norm2.moments(hidden))

    # Split after the first convolution, with the moments of the norms as arguments: so
    # a band of the picture can be computed with the moments of the whole picture.
    def inner(
        self, x: Array, moments: Moments, temb: Array | None = None
    ) -> Float[Array, "b t h w c"]:
        hidden = self.conv1(jax.nn.silu(self.norm1.normalize(x, *moments)))
        if self.time_emb_proj is not None:
            hidden += self.time_emb_proj(jax.nn.silu(temb))[:, None, None, None]
        return hidden

    def outer(
        self, x: Array, hidden: Array, moments: Moments
    ) -> Float[Array, "b t h w c"]:
        return x + self.conv2(jax.nn.silu(self.norm2.normalize(hidden, *moments)))


class SpatioTemporalResBlock(nnx.Module):
    """A spatial block, then a temporal one; the mixer blends the results of both.

    With `time_features` this is the U-Net's form; without, the VAE decoder's, whose
    temporal epsilon is 1e-5 and whose mixer is switched.
    """

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        time_features: int | None,
        epsilon: float,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        in_vae = time_features is None
        kwargs = {"time_features": time_features, "compute": compute, "rngs": rngs}
        self.spatial_res_block = ResnetBlock2D(
            features_in, features_out, epsilon=epsilon, **kwargs
        )
        self.temporal_res_block = TemporalResnetBlock(
            features_out, epsilon=1e-5 if in_vae else epsilon, **kwargs
        )
        self.time_mixer = AlphaBlender(
            initial=0.0 if in_vae else 0.5, switched=in_vae, compute=compute
        )

    def __call__(
        self, x: Float[Array, "b t h w c"], temb: Float[Array, "b k"] | None = None
    ) -> Float[Array, "b t h w d"]:
        spatial = self.spatial_res_block(x, temb)
        return self.time_mixer(spatial, self.temporal_res_block(spatial, temb))

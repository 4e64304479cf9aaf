"""The VAE's temporal decoder.

Follows diffusers 0.42 (Apache-2.0), models/autoencoders/
autoencoder_kl_temporal_decoder.py and models/unets/unet_3d_blocks.py.
"""

import jax
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, GroupNorm, TemporalConv, Upsample2D, conv
from stereojax.svd.resnet import SpatioTemporalResBlock, residual_blocks
from stereojax.svd.vae_encoder import FrameSelfAttention


class TemporalDecoder(nnx.Module):
    """Decodes the latents of a window's frames to pixels, all frames jointly."""

    def __init__(
        self,
        features_in: int,
        *,
        widths: tuple[int, ...],
        layers: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        in_float32 = {"compute": compute.in_float32, "rngs": rngs}
        down = tuple(reversed(widths))
        self.dtype = compute.dtype
        self.conv_in = conv(features_in, down[0], 3, **in_float32)
        self.mid_block = MidBlockTemporalDecoder(down[0], layers=layers, **kwargs)
        self.up_blocks = nnx.List(
            UpBlockTemporalDecoder(
                down[max(i - 1, 0)],
                width,
                layers=layers + 1,
                upsample=i < len(down) - 1,
                **kwargs,
            )
            for i, width in enumerate(down)
        )
        self.conv_norm_out = GroupNorm(widths[0], epsilon=1e-6, **in_float32)
        self.conv_out = conv(widths[0], 3, 3, **in_float32)
        self.time_conv_out = TemporalConv(3, 3, **in_float32)

    def __call__(self, x: Float[Array, "b t h w z"]) -> Float[Array, "b t h2 w2 3"]:
        x = self.first(x)
        for block in self.up_blocks:
            x = block(x)
        return self.time_conv_out(self.last(x))

    def first(self, x: Float[Array, "b t h w z"]) -> Float[Array, "b t h w c"]:
        """Applies the layers before the up blocks, at the latents' size."""
        return self.mid_block(self.conv_in(x).astype(self.dtype))

    def last(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h w 3"]:
        """Applies the layers after the up blocks but for the last, across frames."""
        return self.conv_out(jax.nn.silu(self.conv_norm_out(x)))


class MidBlockTemporalDecoder(nnx.Module):
    """Residual blocks, with attention after the first."""

    def __init__(self, features: int, *, layers: int, compute: Compute, rngs: nnx.Rngs):
        kwargs = {"compute": compute, "rngs": rngs}
        self.resnets = residual_blocks(
            SpatioTemporalResBlock,
            [features] * layers,
            features,
            time_features=None,
            epsilon=1e-6,
            **kwargs,
        )
        self.attentions = nnx.List([FrameSelfAttention(features, **kwargs)])

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
        x = self.resnets[0](x)
        # As diffusers: residual blocks after the first run in pairs with attentions, so
        # with one attention a third residual block would never run.
        for resnet, attention in zip(self.resnets[1:], self.attentions, strict=False):
            x = resnet(attention(x))
        return x


class UpBlockTemporalDecoder(nnx.Module):
    """Residual blocks; all blocks but the last then double the size."""

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        layers: int,
        upsample: bool,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.resnets = residual_blocks(
            SpatioTemporalResBlock,
            [features_in, *[features_out] * (layers - 1)],
            features_out,
            time_features=None,
            epsilon=1e-6,
            **kwargs,
        )
        self.upsamplers = (
            nnx.List([Upsample2D(features_out, **kwargs)]) if upsample else None
        )

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h2 w2 d"]:
        for resnet in self.resnets:
            x = resnet(x)
        return x if self.upsamplers is None else self.upsamplers[0](x)

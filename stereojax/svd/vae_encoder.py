"""The VAE's encoder: Stable Diffusion's, frame by frame.

Follows diffusers 0.42 (Apache-2.0), models/autoencoders/vae.py.
"""

import jax
from flax import nnx

from stereojax.ops.attention import attention
from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, Downsample2D, GroupNorm, conv, linear
from stereojax.svd.resnet import ResnetBlock2D, residual_blocks


class Encoder(nnx.Module):
    """Pixels to the latents' mean and log variance (before `quant_conv`)."""

    def __init__(
        self,
        features_out: int,
        *,
        widths: tuple[int, ...],
        layers: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        in_float32 = {"compute": compute.in_float32, "rngs": rngs}
        self.dtype = compute.dtype
        self.conv_in = conv(3, widths[0], 3, **in_float32)
        self.down_blocks = nnx.List(
            DownEncoderBlock(
                widths[max(i - 1, 0)],
                width,
                layers=layers,
                downsample=i < len(widths) - 1,
                **kwargs,
            )
            for i, width in enumerate(widths)
        )
        self.mid_block = MidEncoderBlock(widths[-1], **kwargs)
        self.conv_norm_out = GroupNorm(widths[-1], epsilon=1e-6, **in_float32)
        self.conv_out = conv(widths[-1], features_out, 3, **in_float32)

    def __call__(self, x: Float[Array, "b t h w 3"]) -> Float[Array, "b t h2 w2 z"]:
        x = self.conv_in(x).astype(self.dtype)
        for block in self.down_blocks:
            x = block(x)
        x = self.mid_block(x)
        return self.conv_out(jax.nn.silu(self.conv_norm_out(x)))


class DownEncoderBlock(nnx.Module):
    """Residual blocks; all blocks but the last then halve the size."""

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        layers: int,
        downsample: bool,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.resnets = residual_blocks(
            ResnetBlock2D,
            [features_in, *[features_out] * (layers - 1)],
            features_out,
            time_features=None,
            epsilon=1e-6,
            **kwargs,
        )
        # Pads with zeros on the right and below only, unlike the U-Net.
        self.downsamplers = (
            nnx.List([Downsample2D(features_out, pad=(0, 1), **kwargs)])
            if downsample
            else None
        )

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h2 w2 d"]:
        for resnet in self.resnets:
            x = resnet(x)
        return x if self.downsamplers is None else self.downsamplers[0](x)


class MidEncoderBlock(nnx.Module):
    """Residual block, attention, residual block."""

    def __init__(self, features: int, *, compute: Compute, rngs: nnx.Rngs):
        kwargs = {"compute": compute, "rngs": rngs}
        self.resnets = residual_blocks(
            ResnetBlock2D,
            [features, features],
            features,
            time_features=None,
            epsilon=1e-6,
            **kwargs,
        )
        self.attentions = nnx.List([FrameSelfAttention(features, **kwargs)])

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class FrameSelfAttention(nnx.Module):
    """One attention head over the pixels of each frame, with biases and a residual.

    The encoder and the decoder have one such layer each.
    """

    def __init__(self, features: int, *, compute: Compute, rngs: nnx.Rngs):
        kwargs = {"compute": compute, "rngs": rngs}
        self.group_norm = GroupNorm(features, epsilon=1e-6, **kwargs)
        self.to_q = linear(features, features, **kwargs)
        self.to_k = linear(features, features, **kwargs)
        self.to_v = linear(features, features, **kwargs)
        self.to_out = nnx.List([linear(features, features, **kwargs)])
        # cuDNN takes at most 256 channels per head.
        self.implementation = (
            None if compute.attention == "cudnn" else compute.attention
        )

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
        b, t, h, w, c = x.shape
        tokens = self.group_norm(x).reshape(b * t, h * w, 1, c)
        out = attention(
            self.to_q(tokens),
            self.to_k(tokens),
            self.to_v(tokens),
            implementation=self.implementation,
        )
        return x + self.to_out[0](out).reshape(b, t, h, w, c)

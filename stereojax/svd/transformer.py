"""Transformer blocks of the U-Net: over the pixels of a frame, then over frames.

Follows diffusers 0.42 (Apache-2.0), models/attention.py and
models/transformers/transformer_temporal.py.
"""

import jax.numpy as jnp
from flax import nnx

from stereojax.ops.attention import attention
from stereojax.ops.frame_attention import frame_attention
from stereojax.shapes import Array, Float
from stereojax.svd.layers import (
    AlphaBlender,
    Compute,
    FeedForward,
    GroupNorm,
    TimestepEmbedding,
    layer_norm,
    linear,
    sinusoids,
)


class SelfAttention(nnx.Module):
    """Attention over the pixels of each frame, or over the frames at each pixel."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        over: str = "pixels",
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.to_q = linear(features, features, use_bias=False, **kwargs)
        self.to_k = linear(features, features, use_bias=False, **kwargs)
        self.to_v = linear(features, features, use_bias=False, **kwargs)
        self.to_out = nnx.List([linear(features, features, **kwargs)])
        self.heads, self.over = heads, over
        self.implementation = compute.attention

    def __call__(self, x: Float[Array, "b t s c"]) -> Float[Array, "b t s c"]:
        b, t, s, c = x.shape
        qkv = (self.to_q(x), self.to_k(x), self.to_v(x))
        if self.over == "frames":
            out = frame_attention(*(y.reshape(b, t, s, self.heads, -1) for y in qkv))
        else:
            qkv = (y.reshape(b * t, s, self.heads, -1) for y in qkv)
            out = attention(*qkv, implementation=self.implementation)
        return self.to_out[0](out.reshape(b, t, s, c))


class OneTokenAttention(nnx.Module):
    """Cross-attention to a single token.

    A softmax over one key is 1, so the result is the projected value at every query.
    `to_q` and `to_k` (and the norm before) have no effect; they are kept so that a
    checkpoint can be converted in both directions.
    """

    def __init__(
        self, features: int, context_features: int, *, compute: Compute, rngs: nnx.Rngs
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.to_q = linear(features, features, use_bias=False, **kwargs)
        self.to_k = linear(context_features, features, use_bias=False, **kwargs)
        self.to_v = linear(context_features, features, use_bias=False, **kwargs)
        self.to_out = nnx.List([linear(features, features, **kwargs)])

    def __call__(self, context: Float[Array, "b k d"]) -> Float[Array, "b k 1 c"]:
        return self.to_out[0](self.to_v(context))[:, :, None]


class BasicTransformerBlock(nnx.Module):
    """Self-attention within a frame, attention to the context, a feed-forward layer."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        context_features: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.norm1 = layer_norm(features, **kwargs)
        self.attn1 = SelfAttention(features, heads=heads, **kwargs)
        self.norm2 = layer_norm(features, **kwargs)
        self.attn2 = OneTokenAttention(features, context_features, **kwargs)
        self.norm3 = layer_norm(features, **kwargs)
        self.ff = FeedForward(features, **kwargs)

    def __call__(
        self, x: Float[Array, "b t s c"], context: Float[Array, "b k d"]
    ) -> Float[Array, "b t s c"]:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(context)
        return x + self.ff(self.norm3(x))


class TemporalBasicTransformerBlock(nnx.Module):
    """`BasicTransformerBlock` over frames, with one more feed-forward layer first."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        context_features: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        self.norm_in = layer_norm(features, **kwargs)
        self.ff_in = FeedForward(features, **kwargs)
        self.norm1 = layer_norm(features, **kwargs)
        self.attn1 = SelfAttention(features, heads=heads, over="frames", **kwargs)
        self.norm2 = layer_norm(features, **kwargs)
        self.attn2 = OneTokenAttention(features, context_features, **kwargs)
        self.norm3 = layer_norm(features, **kwargs)
        self.ff = FeedForward(features, **kwargs)

    def __call__(
        self, x: Float[Array, "b t s c"], context: Float[Array, "b 1 d"]
    ) -> Float[Array, "b t s c"]:
        x = x + self.ff_in(self.norm_in(x))
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(context)
        return x + self.ff(self.norm3(x))


class TransformerSpatioTemporalModel(nnx.Module):
    """A residual branch of one spatial and one temporal block, blended.

    The temporal block also gets a sinusoidal embedding of the frame's index, and its
    context is that of the window's first frame.
    """

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        context_features: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": compute, "rngs": rngs}
        sizes = {"heads": heads, "context_features": context_features, **kwargs}
        self.norm = GroupNorm(features, epsilon=1e-6, **kwargs)
        self.proj_in = linear(features, features, **kwargs)
        self.transformer_blocks = nnx.List([BasicTransformerBlock(features, **sizes)])
        self.temporal_transformer_blocks = nnx.List(
            [TemporalBasicTransformerBlock(features, **sizes)]
        )
        self.time_pos_embed = TimestepEmbedding(
            features, 4 * features, features, **kwargs
        )
        self.time_mixer = AlphaBlender(initial=0.5, switched=False, compute=compute)
        self.proj_out = linear(features, features, **kwargs)

    def __call__(
        self, x: Float[Array, "b t h w c"], context: Float[Array, "b k d"]
    ) -> Float[Array, "b t h w c"]:
        b, t, h, w, c = x.shape
        hidden = self.proj_in(self.norm(x).reshape(b, t, h * w, c))
        index = sinusoids(jnp.arange(t, dtype=jnp.float32), c).astype(hidden.dtype)
        index = self.time_pos_embed(index)[:, None]
        spatial = self.transformer_blocks[0](hidden, context)
        temporal = self.temporal_transformer_blocks[0](spatial + index, context[:, :1])
        hidden = self.time_mixer(spatial, temporal)
        return x + self.proj_out(hidden).reshape(b, t, h, w, c)

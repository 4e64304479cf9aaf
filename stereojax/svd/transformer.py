"""Transformer blocks of the UNet: over the pixels of a frame, then over frames.

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
    """Attention among the pixels of each frame, or of each pixel among the frames."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        over: str = "pixels",
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        more = {"compute": compute, "rngs": rngs}
        self.to_q = linear(features, features, use_bias=False, **more)
        self.to_k = linear(features, features, use_bias=False, **more)
        self.to_v = linear(features, features, use_bias=False, **more)
        self.to_out = nnx.List([linear(features, features, **more)])
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
    `to_q` and `to_k` (and the norm before) change nothing; they are kept so that a
    checkpoint survives the way here and back.
    """

    def __init__(
        self, features: int, context_features: int, *, compute: Compute, rngs: nnx.Rngs
    ):
        more = {"compute": compute, "rngs": rngs}
        self.to_q = linear(features, features, use_bias=False, **more)
        self.to_k = linear(context_features, features, use_bias=False, **more)
        self.to_v = linear(context_features, features, use_bias=False, **more)
        self.to_out = nnx.List([linear(features, features, **more)])

    def __call__(self, context: Float[Array, "b k d"]) -> Float[Array, "b k 1 c"]:
        return self.to_out[0](self.to_v(context))[:, :, None]


class BasicTransformerBlock(nnx.Module):
    """Attention over a frame's pixels, the context, a feed-forward layer."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        context_features: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        more = {"compute": compute, "rngs": rngs}
        self.norm1 = layer_norm(features, **more)
        self.attn1 = SelfAttention(features, heads=heads, **more)
        self.norm2 = layer_norm(features, **more)
        self.attn2 = OneTokenAttention(features, context_features, **more)
        self.norm3 = layer_norm(features, **more)
        self.ff = FeedForward(features, **more)

    def __call__(
        self, x: Float[Array, "b t s c"], context: Float[Array, "b k d"]
    ) -> Float[Array, "b t s c"]:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(context)
        return x + self.ff(self.norm3(x))


class TemporalBasicTransformerBlock(nnx.Module):
    """The same over frames, with one more feed-forward layer in front."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        context_features: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        more = {"compute": compute, "rngs": rngs}
        self.norm_in = layer_norm(features, **more)
        self.ff_in = FeedForward(features, **more)
        self.norm1 = layer_norm(features, **more)
        self.attn1 = SelfAttention(features, heads=heads, over="frames", **more)
        self.norm2 = layer_norm(features, **more)
        self.attn2 = OneTokenAttention(features, context_features, **more)
        self.norm3 = layer_norm(features, **more)
        self.ff = FeedForward(features, **more)

    def __call__(
        self, x: Float[Array, "b t s c"], context: Float[Array, "b 1 d"]
    ) -> Float[Array, "b t s c"]:
        x = x + self.ff_in(self.norm_in(x))
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(context)
        return x + self.ff(self.norm3(x))


class TransformerSpatioTemporalModel(nnx.Module):
    """One spatial and one temporal block, mixed; a residual branch.

    The temporal block also sees which frame is which (a sinusoid of the frame's index),
    and its context is that of the window's first frame.
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
        more = {"compute": compute, "rngs": rngs}
        sizes = {"heads": heads, "context_features": context_features, **more}
        self.norm = GroupNorm(features, epsilon=1e-6, **more)
        self.proj_in = linear(features, features, **more)
        self.transformer_blocks = nnx.List([BasicTransformerBlock(features, **sizes)])
        self.temporal_transformer_blocks = nnx.List(
            [TemporalBasicTransformerBlock(features, **sizes)]
        )
        self.time_pos_embed = TimestepEmbedding(
            features, 4 * features, features, **more
        )
        self.time_mixer = AlphaBlender(initial=0.5, switched=False, compute=compute)
        self.proj_out = linear(features, features, **more)

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

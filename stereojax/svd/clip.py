"""CLIPVisionModelWithProjection: embeds a picture as one vector.

Follows transformers 5 (Apache-2.0), models/clip/modeling_clip.py.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.ops.attention import attention
from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, layer_norm, linear


@dataclasses.dataclass(frozen=True)
class CLIPVisionConfig:
    """Sizes, under the names of transformers' config.json. The default is ViT-H/14."""

    hidden_size: int = 1280
    intermediate_size: int = 5120
    num_hidden_layers: int = 32
    num_attention_heads: int = 16
    image_size: int = 224
    patch_size: int = 14
    projection_dim: int = 1024

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "CLIPVisionConfig":
        return cls(**sizes)


SVD_CLIP = CLIPVisionConfig()
TINY_CLIP = CLIPVisionConfig(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    projection_dim=32,
)


class CLIPVisionModelWithProjection(nnx.Module):
    """The class token after the last layer, normalised and projected."""

    def __init__(
        self,
        config: CLIPVisionConfig = SVD_CLIP,
        *,
        dtype: Dtype = jnp.float32,
        param_dtype: Dtype = jnp.float32,
        rngs: nnx.Rngs,
    ):
        kwargs = {"compute": Compute(dtype, param_dtype), "rngs": rngs}
        self.config, self.dtype = config, dtype
        self.vision_model = VisionModel(config, **kwargs)
        self.visual_projection = linear(
            config.hidden_size, config.projection_dim, use_bias=False, **kwargs
        )

    def __call__(self, pixels: Float[Array, "b h w 3"]) -> Float[Array, "b d"]:
        """Returns the embedding of `pixels`, which `clip_pixels` has normalised.

        Raises:
          ValueError: height and width are not `config.image_size`.
        """
        size = self.config.image_size
        if pixels.shape[1:3] != (size, size):
            raise ValueError(
                f"pixels of {pixels.shape[1]}x{pixels.shape[2]} must be {size}x{size}"
            )
        return self.visual_projection(self.vision_model(pixels.astype(self.dtype)))


class VisionModel(nnx.Module):
    """Embeddings, the transformer, and a norm of the class token."""

    def __init__(self, config: CLIPVisionConfig, *, compute: Compute, rngs: nnx.Rngs):
        kwargs = {"compute": compute, "rngs": rngs}
        self.embeddings = Embeddings(config, **kwargs)
        self.pre_layrnorm = layer_norm(config.hidden_size, **kwargs)  # sic
        self.encoder = VisionEncoder(config, **kwargs)
        self.post_layernorm = layer_norm(config.hidden_size, **kwargs)

    def __call__(self, pixels: Float[Array, "b h w 3"]) -> Float[Array, "b c"]:
        x = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        return self.post_layernorm(x[:, 0])


class Embeddings(nnx.Module):
    """A class token and the patches, plus learned position embeddings."""

    def __init__(self, config: CLIPVisionConfig, *, compute: Compute, rngs: nnx.Rngs):
        width, patch = config.hidden_size, config.patch_size
        tokens = (config.image_size // patch) ** 2 + 1
        self.class_embedding = nnx.Param(
            rngs.params.normal((width,), compute.param_dtype)
        )
        self.patch_embedding = nnx.Conv(
            3,
            width,
            (patch, patch),
            strides=(patch, patch),
            padding="VALID",
            use_bias=False,
            **compute.types,
            rngs=rngs,
        )
        self.position_embedding = nnx.Embed(tokens, width, **compute.types, rngs=rngs)

    def __call__(self, pixels: Float[Array, "b h w 3"]) -> Float[Array, "b n c"]:
        x = self.patch_embedding(pixels)
        b, rows, columns, c = x.shape
        token = self.class_embedding[...].astype(x.dtype)
        token = jnp.broadcast_to(token, (b, 1, c))
        x = jnp.concatenate([token, x.reshape(b, rows * columns, c)], axis=1)
        return x + self.position_embedding(jnp.arange(x.shape[1]))


class VisionEncoder(nnx.Module):
    """The transformer's layers."""

    def __init__(self, config: CLIPVisionConfig, *, compute: Compute, rngs: nnx.Rngs):
        self.layers = nnx.List(
            EncoderLayer(config, compute=compute, rngs=rngs)
            for _ in range(config.num_hidden_layers)
        )

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        for layer in self.layers:
            x = layer(x)
        return x


class EncoderLayer(nnx.Module):
    """Attention and an MLP, each with a norm before it and a residual."""

    def __init__(self, config: CLIPVisionConfig, *, compute: Compute, rngs: nnx.Rngs):
        kwargs = {"compute": compute, "rngs": rngs}
        width = config.hidden_size
        self.layer_norm1 = layer_norm(width, **kwargs)
        self.self_attn = SelfAttention(width, config.num_attention_heads, **kwargs)
        self.layer_norm2 = layer_norm(width, **kwargs)
        self.mlp = MLP(width, config.intermediate_size, **kwargs)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class SelfAttention(nnx.Module):
    """Multi-head attention over all tokens."""

    def __init__(self, width: int, heads: int, *, compute: Compute, rngs: nnx.Rngs):
        kwargs = {"compute": compute, "rngs": rngs}
        self.q_proj = linear(width, width, **kwargs)
        self.k_proj = linear(width, width, **kwargs)
        self.v_proj = linear(width, width, **kwargs)
        self.out_proj = linear(width, width, **kwargs)
        self.heads = heads

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        b, n, c = x.shape
        projections = (self.q_proj, self.k_proj, self.v_proj)
        qkv = (project(x).reshape(b, n, self.heads, -1) for project in projections)
        # cuDNN is not faster for 257 tokens.
        return self.out_proj(attention(*qkv, implementation="chunked").reshape(b, n, c))


class MLP(nnx.Module):
    """Two linear layers with the exact GELU, not CLIP's usual quick one."""

    def __init__(self, width: int, hidden: int, *, compute: Compute, rngs: nnx.Rngs):
        self.fc1 = linear(width, hidden, compute=compute, rngs=rngs)
        self.fc2 = linear(hidden, width, compute=compute, rngs=rngs)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        return self.fc2(jax.nn.gelu(self.fc1(x), approximate=False))

"""DINOv2, the vision transformer that encodes pictures for Depth Anything.

Follows facebookresearch/dinov2 (Apache-2.0) as Depth Anything V2 (Apache-2.0) uses it;
attribute names are those of its checkpoints.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.ops.attention import attention
from stereojax.ops.bicubic import bicubic
from stereojax.ops.taps import resize
from stereojax.shapes import Array, Float


class Dinov2(nnx.Module):
    """Encodes a picture as patch features, taken after some of the blocks."""

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        heads: int,
        patch: int,
        grid: int,  # patches per side of the training pictures
        pos_embed_offset: float,
        dtype: Dtype | None,
        param_dtype: Dtype,
        rngs: nnx.Rngs,
    ):
        kwargs = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.grid, self.pos_embed_offset, self.dtype = grid, pos_embed_offset, dtype
        self.patch_embed = PatchEmbed(dim, patch, **kwargs)
        self.cls_token = nnx.Param(jnp.zeros((1, 1, dim), param_dtype))
        self.pos_embed = nnx.Param(
            0.02 * rngs.params.normal((1, grid**2 + 1, dim), param_dtype)
        )
        self.blocks = nnx.List([Block(dim, heads, **kwargs) for _ in range(depth)])
        self.norm = _layer_norm(dim, **kwargs)

    def __call__(
        self, image: Float[Array, "b h w 3"], taps: tuple[int, ...]
    ) -> list[Float[Array, "b ph pw c"]]:
        """Returns normalised patch features after each block in `taps` (0-based)."""
        x = self.patch_embed(image)
        b, rows, columns, c = x.shape
        cls = jnp.broadcast_to(self.cls_token[...].astype(x.dtype), (b, 1, c))
        x = jnp.concatenate([cls, x.reshape(b, rows * columns, c)], axis=1)
        x = x + self.positions(rows, columns).astype(x.dtype)
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in taps:
                features.append(self.norm(x)[:, 1:].reshape(b, rows, columns, c))
        return features

    def positions(self, rows: int, columns: int) -> Float[Array, "1 tokens c"]:
        """Returns `pos_embed` resized for a picture of `rows` x `columns` patches.

        The original resizes by the *factor* `(rows + offset) / grid` with offset 0.1,
        which was a workaround for rounding: torch computes sample positions from that
        factor, so the offset shifts them, and even an unchanged side is resampled.
        """
        embed = self.pos_embed[...].astype(jnp.float32)
        if rows == columns == self.grid:
            return embed
        cls, patches = embed[:, :1], embed[0, 1:]
        taps = [
            bicubic(self.grid, n, scale=(n + self.pos_embed_offset) / self.grid)
            for n in (rows, columns)
        ]
        patches = resize(patches.reshape(self.grid, self.grid, -1), *taps)
        return jnp.concatenate([cls, patches.reshape(1, rows * columns, -1)], axis=1)


class PatchEmbed(nnx.Module):
    """Projects each patch to one token."""

    def __init__(self, dim: int, patch: int, **kwargs):
        size = (patch, patch)
        self.proj = nnx.Conv(3, dim, size, strides=size, padding="VALID", **kwargs)

    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b ph pw c"]:
        patch = self.proj.kernel_size[0]
        height, width = image.shape[1:3]
        if height % patch or width % patch:
            raise ValueError(
                f"a picture of {width} x {height}: both must be multiples of {patch}"
            )
        return self.proj(image)


class Block(nnx.Module):
    """Attention and an MLP, each with a norm before and a layer scale after it."""

    def __init__(self, dim: int, heads: int, **kwargs):
        self.norm1 = _layer_norm(dim, **kwargs)
        self.attn = Attention(dim, heads, **kwargs)
        self.ls1 = LayerScale(dim, **kwargs)
        self.norm2 = _layer_norm(dim, **kwargs)
        self.mlp = Mlp(dim, 4 * dim, **kwargs)
        self.ls2 = LayerScale(dim, **kwargs)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class Attention(nnx.Module):
    """Multi-head attention over all tokens, with one projection to q, k and v."""

    def __init__(self, dim: int, heads: int, **kwargs):
        self.heads = heads
        self.qkv = nnx.Linear(dim, 3 * dim, **kwargs)
        self.proj = nnx.Linear(dim, dim, **kwargs)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads)
        out = attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2])
        return self.proj(out.reshape(b, n, c))


class Mlp(nnx.Module):
    """Two linear layers with the exact GELU."""

    def __init__(self, dim: int, hidden: int, **kwargs):
        self.fc1 = nnx.Linear(dim, hidden, **kwargs)
        self.fc2 = nnx.Linear(hidden, dim, **kwargs)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        return self.fc2(jax.nn.gelu(self.fc1(x), approximate=False))


class LayerScale(nnx.Module):
    """Multiplies each channel by a learned factor."""

    def __init__(self, dim: int, *, dtype, param_dtype, rngs):
        self.gamma = nnx.Param(jnp.ones((dim,), param_dtype))

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        return x * self.gamma[...].astype(x.dtype)


def _layer_norm(dim: int, **kwargs) -> nnx.LayerNorm:
    # The fast variance, E[x^2] - E[x]^2, loses precision where the mean is large.
    return nnx.LayerNorm(dim, epsilon=1e-6, use_fast_variance=False, **kwargs)

"""DINOv2, the vision transformer below Depth Anything.

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
    """A picture to patch features, taken after some of the blocks."""

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        heads: int,
        patch: int,
        grid: int,  # pos_embed was trained on grid x grid patches
        pos_embed_offset: float,
        dtype: Dtype | None,
        param_dtype: Dtype,
        rngs: nnx.Rngs,
    ):
        how = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.grid, self.pos_embed_offset, self.dtype = grid, pos_embed_offset, dtype
        self.patch_embed = PatchEmbed(dim, patch, **how)
        self.cls_token = nnx.Param(jnp.zeros((1, 1, dim), param_dtype))
        self.pos_embed = nnx.Param(
            0.02 * rngs.params.normal((1, grid**2 + 1, dim), param_dtype)
        )
        self.blocks = nnx.List([Block(dim, heads, **how) for _ in range(depth)])
        self.norm = _layer_norm(dim, **how)

    def __call__(
        self, image: Float[Array, "b h w 3"], taps: tuple[int, ...]
    ) -> list[Float[Array, "b ph pw c"]]:
        """Normalised features after each block in `taps` (0-based), no class token."""
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
        """`pos_embed` for a picture of `rows` x `columns` patches.

        The original resizes by the *factor* `(rows + offset) / grid` with offset 0.1,
        once meant against rounding: torch places the samples by the factor it is given,
        so the offset shifts them, and even an unchanged side is resampled.
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
    def __init__(self, dim: int, patch: int, **how):
        size = (patch, patch)
        self.proj = nnx.Conv(3, dim, size, strides=size, padding="VALID", **how)

    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b ph pw c"]:
        patch = self.proj.kernel_size[0]
        height, width = image.shape[1:3]
        if height % patch or width % patch:
            raise ValueError(
                f"a picture of {width} x {height}: both must be multiples of {patch}"
            )
        return self.proj(image)


class Block(nnx.Module):
    def __init__(self, dim: int, heads: int, **how):
        self.norm1 = _layer_norm(dim, **how)
        self.attn = Attention(dim, heads, **how)
        self.ls1 = LayerScale(dim, **how)
        self.norm2 = _layer_norm(dim, **how)
        self.mlp = Mlp(dim, 4 * dim, **how)
        self.ls2 = LayerScale(dim, **how)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class Attention(nnx.Module):
    def __init__(self, dim: int, heads: int, **how):
        self.heads = heads
        self.qkv = nnx.Linear(dim, 3 * dim, **how)
        self.proj = nnx.Linear(dim, dim, **how)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads)
        out = attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2])
        return self.proj(out.reshape(b, n, c))


class Mlp(nnx.Module):
    def __init__(self, dim: int, hidden: int, **how):
        self.fc1 = nnx.Linear(dim, hidden, **how)
        self.fc2 = nnx.Linear(hidden, dim, **how)

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        return self.fc2(jax.nn.gelu(self.fc1(x), approximate=False))


class LayerScale(nnx.Module):
    def __init__(self, dim: int, *, dtype, param_dtype, rngs):
        self.gamma = nnx.Param(jnp.ones((dim,), param_dtype))

    def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        return x * self.gamma[...].astype(x.dtype)


def _layer_norm(dim: int, **how) -> nnx.LayerNorm:
    # The fast variance, E[x^2] - E[x]^2, loses what a large mean leaves of it.
    return nnx.LayerNorm(dim, epsilon=1e-6, use_fast_variance=False, **how)

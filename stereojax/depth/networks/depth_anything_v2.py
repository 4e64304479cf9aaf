"""The network Depth Anything V2 (arXiv 2406.09414): DINOv2 below, DPT on top.

Follows DepthAnything/Depth-Anything-V2 (Apache-2.0).
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.depth.networks.dinov2 import Dinov2
from stereojax.depth.networks.dpt import DptHead
from stereojax.shapes import Array, Float


@dataclasses.dataclass(frozen=True)
class DepthAnythingV2Config:
    """Sizes. The default is Small."""

    dim: int = 384
    depth: int = 12
    heads: int = 6
    taps: tuple[int, int, int, int] = (2, 5, 8, 11)  # blocks whose outputs DPT sees
    features: int = 64
    out_channels: tuple[int, int, int, int] = (48, 96, 192, 384)
    last: int = 32  # channels before the last convolution
    patch: int = 14
    grid: int = 37  # patches a side of the pictures of training: 518 px
    # 0.1 is what the published code does; 0.0 what transformers has done since 4.45.
    pos_embed_offset: float = 0.1

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "DepthAnythingV2Config":
        """Of JSON, where tuples are lists."""
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
        )


PRESETS = {
    "depth_anything_v2_small": DepthAnythingV2Config(),
    "depth_anything_v2_base": DepthAnythingV2Config(
        dim=768, heads=12, features=128, out_channels=(96, 192, 384, 768)
    ),
    "depth_anything_v2_large": DepthAnythingV2Config(
        dim=1024,
        depth=24,
        heads=16,
        taps=(4, 11, 17, 23),
        features=256,
        out_channels=(256, 512, 1024, 1024),
    ),
}


class DepthAnythingV2(nnx.Module):
    """A picture to raw relative inverse depth at the picture's size."""

    def __init__(
        self,
        config: DepthAnythingV2Config,
        *,
        dtype: Dtype | None = None,  # to compute; None as the parameters are
        param_dtype: Dtype = jnp.float32,  # to store
        rngs: nnx.Rngs,
    ):
        c = config
        how = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.config = config
        self.pretrained = Dinov2(
            dim=c.dim,
            depth=c.depth,
            heads=c.heads,
            patch=c.patch,
            grid=c.grid,
            pos_embed_offset=c.pos_embed_offset,
            **how,
        )
        self.depth_head = DptHead(
            dim=c.dim,
            features=c.features,
            out_channels=c.out_channels,
            last=c.last,
            patch=c.patch,
            **how,
        )

    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b h w"]:
        """`image`: ImageNet-normalised RGB, sides multiples of `patch`.

        Returns float32 >= 0, larger = nearer, of no fixed scale.
        """
        return self.depth_head(self.pretrained(image, self.config.taps))

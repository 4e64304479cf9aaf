"""The network of Depth Anything V2 (arXiv 2406.09414): DINOv2 encoder, DPT head.

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
    """Sizes of the network. The default is Small."""

    dim: int = 384  # of the encoder
    depth: int = 12
    heads: int = 6
    taps: tuple[int, int, int, int] = (2, 5, 8, 11)  # blocks whose outputs DPT takes
    features: int = 64  # of the head
    out_channels: tuple[int, int, int, int] = (48, 96, 192, 384)
    last: int = 32  # channels before the last convolution
    patch: int = 14
    grid: int = 37  # patches per side of the training pictures: 518 px
    # 0.1 as in the published code; transformers has 0.0 since 4.45.
    pos_embed_offset: float = 0.1

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "DepthAnythingV2Config":
        """Builds the config from JSON, where tuples are lists."""
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
        )

    @property
    def encoder_sizes(self) -> dict[str, Any]:
        """The arguments of `Dinov2`."""
        names = ("dim", "depth", "heads", "patch", "grid", "pos_embed_offset")
        return {name: getattr(self, name) for name in names}

    @property
    def head_sizes(self) -> dict[str, Any]:
        """The arguments of `DptHead`."""
        names = ("dim", "features", "out_channels", "last", "patch")
        return {name: getattr(self, name) for name in names}


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
    """Estimates raw relative inverse depth at the picture's size."""

    def __init__(
        self,
        config: DepthAnythingV2Config,
        *,
        dtype: Dtype | None = None,  # of the computation; None is `param_dtype`
        param_dtype: Dtype = jnp.float32,  # of stored weights
        rngs: nnx.Rngs,
    ):
        kwargs = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.config = config
        self.pretrained = Dinov2(**config.encoder_sizes, **kwargs)
        self.depth_head = DptHead(**config.head_sizes, **kwargs)

    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b h w"]:
        """Returns float32 depth >= 0, larger = nearer, with no fixed scale.

        `image`: ImageNet-normalised RGB, sides multiples of `config.patch`.
        """
        return self.depth_head(self.pretrained(image, self.config.taps))

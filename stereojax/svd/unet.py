"""UNetSpatioTemporalConditionModel: SVD's network, StereoCrafter's and DepthCrafter's.

Follows diffusers 0.42 (Apache-2.0), models/unets/unet_spatio_temporal_condition.py.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.ops.attention import Implementation
from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, GroupNorm, TimestepEmbedding, conv, sinusoids
from stereojax.svd.unet_blocks import DownBlock, MidBlock, UpBlock

TIME_IDS = 3  # frames per second, motion bucket, noise augmentation


@dataclasses.dataclass(frozen=True)
class UNetConfig:
    """Sizes, under the names of diffusers' config.json."""

    in_channels: int = 8
    out_channels: int = 4
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    num_attention_heads: tuple[int, ...] = (5, 10, 20, 20)
    cross_attention_dim: int = 1024
    addition_time_embed_dim: int = 256
    num_frames: int = 25  # that it was trained with

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "UNetConfig":
        """Of JSON, where tuples are lists."""
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
        )

    @property
    def multiple(self) -> int:
        """Height and width of the latents must be multiples of this."""
        return 2 ** (len(self.block_out_channels) - 1)


SVD_XT = UNetConfig()
# The mask is the ninth channel, after 4 of noise and 4 of the warped view.
STEREOCRAFTER = UNetConfig(in_channels=9)
# SVD's shapes; its context is one embedding a frame.
DEPTHCRAFTER = UNetConfig()
# For tests and for `:runlocal`: 1.3 M parameters.
TINY = UNetConfig(
    block_out_channels=(32, 64),
    layers_per_block=1,
    num_attention_heads=(2, 4),
    cross_attention_dim=32,
    addition_time_embed_dim=32,
)


class UNetSpatioTemporalConditionModel(nnx.Module):
    """Predicts v for every frame of a window, from noisy latents and conditioning."""

    def __init__(
        self,
        config: UNetConfig = SVD_XT,
        *,
        dtype: Dtype = jnp.float32,
        param_dtype: Dtype = jnp.float32,
        attention: Implementation | None = None,
        remat: bool = False,
        rngs: nnx.Rngs,
    ):
        compute = Compute(dtype, param_dtype, attention, remat)
        more = {"compute": compute, "rngs": rngs}
        precise = {"compute": compute.precise, "rngs": rngs}
        widths = config.block_out_channels
        embedding = 4 * widths[0]
        # All levels but the deepest have attention; the middle always has.
        heads = (*config.num_attention_heads[:-1], None)
        sizes = {
            "context_features": config.cross_attention_dim,
            "time_features": embedding,
            **more,
        }
        self.config, self.dtype = config, dtype
        self.conv_in = conv(config.in_channels, widths[0], 3, **precise)
        self.time_embedding = TimestepEmbedding(widths[0], embedding, embedding, **more)
        self.add_embedding = TimestepEmbedding(
            TIME_IDS * config.addition_time_embed_dim, embedding, embedding, **more
        )
        self.down_blocks = nnx.List(
            DownBlock(
                widths[max(i - 1, 0)],
                width,
                layers=config.layers_per_block,
                heads=heads[i],
                downsample=i < len(widths) - 1,
                **sizes,
            )
            for i, width in enumerate(widths)
        )
        self.mid_block = MidBlock(
            widths[-1], heads=config.num_attention_heads[-1], **sizes
        )
        self.up_blocks = nnx.List(
            UpBlock(
                _up_widths(widths, i, config.layers_per_block),
                widths[i],
                heads=heads[i],
                upsample=i > 0,
                **sizes,
            )
            for i in reversed(range(len(widths)))
        )
        self.conv_norm_out = GroupNorm(widths[0], epsilon=1e-5, **precise)
        self.conv_out = conv(widths[0], config.out_channels, 3, **precise)

    def __call__(
        self,
        sample: Float[Array, "b t h w c"],
        timestep: Float[Array, " b"],
        context: Float[Array, "b k d"],
        added_time_ids: Float[Array, "b 3"],
    ) -> Float[Array, "b t h w e"]:
        """Predicts v, as float32.

        Args:
          sample: noisy latents, scaled by 1 / sqrt(sigma^2 + 1), and the conditioning
            channels; height and width multiples of `config.multiple`.
          timestep: 0.25 ln(sigma).
          context: image embeddings, one for the window (k = 1; SVD, StereoCrafter) or
            one a frame (k = t; DepthCrafter).
          added_time_ids: frames per second (less 1 in SVD), motion bucket, strength
            of noise augmentation.

        Raises:
          ValueError: for a shape that the network cannot take.
        """
        self._check(sample, context)
        temb = self._embed(timestep, added_time_ids)
        context = context.astype(self.dtype)
        x = self.conv_in(sample).astype(self.dtype)
        skips = [x]
        for block in self.down_blocks:
            x, more = block(x, temb, context)
            skips += more
        x = self.mid_block(x, temb, context)
        for block in self.up_blocks:
            x = block(x, skips, temb, context)
        return self.conv_out(jax.nn.silu(self.conv_norm_out(x)))

    def _embed(self, timestep: Array, added_time_ids: Array) -> Array:
        """(b, 4 * width): the same for every frame."""
        width = self.config.block_out_channels[0]
        time = sinusoids(timestep, width).astype(self.dtype)
        added = sinusoids(added_time_ids, self.config.addition_time_embed_dim)
        added = added.reshape(len(added), -1).astype(self.dtype)
        return self.time_embedding(time) + self.add_embedding(added)

    def _check(self, sample: Array, context: Array) -> None:
        _, t, h, w, channels = sample.shape
        config = self.config
        if channels != config.in_channels:
            raise ValueError(
                f"sample has {channels} channels where this U-Net takes "
                f"{config.in_channels}"
            )
        if h % config.multiple or w % config.multiple:
            raise ValueError(
                f"latents of {h}x{w} must be multiples of {config.multiple} each way; "
                "pad the picture"
            )
        if context.shape[1] not in (1, t):
            raise ValueError(
                f"context has {context.shape[1]} embeddings where 1, or {t} for as "
                "many frames, are expected"
            )


def _up_widths(widths: tuple[int, ...], level: int, layers: int) -> list[int]:
    """Channels into each layer of an up block: from below or before, and the skip's.

    The skips of a level come in reverse: its layers, then what entered the level.
    """
    before = widths[min(level + 1, len(widths) - 1)]
    entered = widths[max(level - 1, 0)]
    own = widths[level]
    inputs = [before] + [own] * layers
    skips = [own] * layers + [entered]
    return [a + b for a, b in zip(inputs, skips, strict=True)]

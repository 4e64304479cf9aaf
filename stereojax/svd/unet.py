"""UNetSpatioTemporalConditionModel: the U-Net of SVD, StereoCrafter and DepthCrafter.

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
    num_frames: int = 25  # window length of the training

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "UNetConfig":
        """Builds the config from JSON, where tuples are lists."""
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
        )

    @property
    def multiple(self) -> int:
        """Number that height and width of the latents must be multiples of."""
        return 2 ** (len(self.block_out_channels) - 1)


SVD_XT = UNetConfig()  # DepthCrafter has the same shapes, and one context per frame
# The mask is the ninth channel, after 4 of noise and 4 of the warped view.
STEREOCRAFTER = UNetConfig(in_channels=9)
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
        kwargs = {"compute": compute, "rngs": rngs}
        in_float32 = {"compute": compute.in_float32, "rngs": rngs}
        widths = config.block_out_channels
        embedded = 4 * widths[0]
        # All levels but the deepest have attention; so has the middle block.
        heads = (*config.num_attention_heads[:-1], None)
        sizes = {
            "context_features": config.cross_attention_dim,
            "time_features": embedded,
            **kwargs,
        }
        self.config, self.dtype = config, dtype
        self.conv_in = conv(config.in_channels, widths[0], 3, **in_float32)
        self.time_embedding = TimestepEmbedding(widths[0], embedded, embedded, **kwargs)
        self.add_embedding = TimestepEmbedding(
            TIME_IDS * config.addition_time_embed_dim, embedded, embedded, **kwargs
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
        self.conv_norm_out = GroupNorm(widths[0], epsilon=1e-5, **in_float32)
        self.conv_out = conv(widths[0], config.out_channels, 3, **in_float32)

    def __call__(
        self,
        sample: Float[Array, "b t h w c"],
        timestep: Float[Array, " b"],
        context: Float[Array, "b k d"],
        added_time_ids: Float[Array, "b 3"],
    ) -> Float[Array, "b t h w e"]:
        """Returns the v-prediction, float32.

        Args:
          sample: noisy latents, scaled by 1 / sqrt(sigma^2 + 1), and the conditioning
            channels; height and width multiples of `config.multiple`.
          timestep: 0.25 ln(sigma).
          context: image embeddings, one for the window (k = 1; SVD, StereoCrafter) or
            one per frame (k = t; DepthCrafter).
          added_time_ids: frames per second (less 1 in SVD), motion bucket, strength
            of noise augmentation.

        Raises:
          ValueError: channels, height, width or number of embeddings do not fit.
        """
        self._check(sample, context)
        temb = self._embed(timestep, added_time_ids)
        context = context.astype(self.dtype)
        x = self.conv_in(sample).astype(self.dtype)
        skips = [x]
        for block in self.down_blocks:
            x, block_skips = block(x, temb, context)
            skips += block_skips
        x = self.mid_block(x, temb, context)
        for block in self.up_blocks:
            x = block(x, skips, temb, context)
        return self.conv_out(jax.nn.silu(self.conv_norm_out(x)))

    def _embed(self, timestep: Array, added_time_ids: Array) -> Array:
        """Returns the (b, 4 * width) time embedding, the same for every frame."""
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
    """Returns the channels into each layer of an up block, those of its skip included.

    The skips of a level come in reverse order: its layers, then the level's input.
    """
    below = widths[min(level + 1, len(widths) - 1)]
    above = widths[max(level - 1, 0)]
    width = widths[level]
    inputs = [below] + [width] * layers
    skips = [width] * layers + [above]
    return [a + b for a, b in zip(inputs, skips, strict=True)]

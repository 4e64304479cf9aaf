"""AutoencoderKLTemporalDecoder: encodes frames one by one, decodes them jointly.

Follows diffusers 0.42 (Apache-2.0), models/autoencoders/.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.ops.attention import Implementation
from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, conv
from stereojax.svd.vae_decoder import TemporalDecoder
from stereojax.svd.vae_encoder import Encoder


@dataclasses.dataclass(frozen=True)
class VAEConfig:
    """Sizes, under the names of diffusers' config.json."""

    latent_channels: int = 4
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    scaling_factor: float = 0.18215  # the U-Net's latents are this times the VAE's

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "VAEConfig":
        """Builds the config from JSON, where tuples are lists."""
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
        )

    @property
    def factor(self) -> int:
        """Pixels per latent along each axis."""
        return 2 ** (len(self.block_out_channels) - 1)


SVD_VAE = VAEConfig()
TINY_VAE = VAEConfig(block_out_channels=(32, 32, 64, 64), layers_per_block=1)


class AutoencoderKLTemporalDecoder(nnx.Module):
    """SVD's VAE. Pixels are in [-1, 1], latents unscaled; both are float32.

    `dtype` and `param_dtype` apply to the decoder: the encoder is always float32, as in
    the published pipelines, which upcast only the encoder (`force_upcast`).
    """

    def __init__(
        self,
        config: VAEConfig = SVD_VAE,
        *,
        dtype: Dtype = jnp.float32,
        param_dtype: Dtype = jnp.float32,
        attention: Implementation | None = None,
        rngs: nnx.Rngs,
    ):
        compute = Compute(dtype, param_dtype, attention)
        in_float32 = Compute(attention=attention)
        sizes = {
            "widths": config.block_out_channels,
            "layers": config.layers_per_block,
            "rngs": rngs,
        }
        moments = 2 * config.latent_channels
        self.config, self.dtype = config, dtype
        self.encoder = Encoder(moments, compute=in_float32, **sizes)
        self.quant_conv = conv(moments, moments, 1, compute=in_float32, rngs=rngs)
        self.decoder = TemporalDecoder(config.latent_channels, compute=compute, **sizes)

    def encode(self, frames: Float[Array, "b t h w 3"]) -> Float[Array, "b t h2 w2 z"]:
        """Returns the mode of the latents' distribution, frame by frame.

        Raises:
          ValueError: height or width is not a multiple of `config.factor`.
        """
        _, _, h, w, _ = frames.shape
        factor = self.config.factor
        if h % factor or w % factor:
            raise ValueError(
                f"frames of {h}x{w} must be multiples of {factor} each way; pad them"
            )
        moments = self.quant_conv(self.encoder(frames))
        return jnp.split(moments, 2, axis=-1)[0]  # the mean; then the log variance

    def decode(self, latents: Float[Array, "b t h w z"]) -> Float[Array, "b t h2 w2 3"]:
        """Decodes all frames jointly: norms and convolutions reach over all of them.

        So decoding in chunks of frames gives another result than decoding at once.
        """
        return self.decoder(latents)


@jax.jit
def encode_frames(
    vae: AutoencoderKLTemporalDecoder, frames: Float[Array, "t h w 3"]
) -> Float[Array, "t h2 w2 z"]:
    """Encodes frame after frame, in the memory of one."""
    return jax.lax.map(lambda frame: vae.encode(frame[None, None])[0, 0], frames)

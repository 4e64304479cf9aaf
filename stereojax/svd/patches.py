"""A lossless substitute for the VAE, without weights: rearranges pixels.

Each latent holds the colours of a square of pixels. For small networks trained without
SVD's VAE: a VAE's reconstruction loss does not limit them.
"""

import dataclasses
from typing import Any

from flax import nnx

from stereojax.shapes import Array, Float


@dataclasses.dataclass(frozen=True)
class PatchesConfig:
    """Sizes, under the names of `VAEConfig`."""

    factor: int = 2  # pixels per latent along each axis
    # Pixels in [-1, 1] have a standard deviation of about 0.5, latents of about 1.
    scaling_factor: float = 2.0

    @property
    def latent_channels(self) -> int:
        return 3 * self.factor**2

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "PatchesConfig":
        return cls(**sizes)


class Patches(nnx.Module):
    """Has the interface of `AutoencoderKLTemporalDecoder`; frames are independent."""

    def __init__(self, config: PatchesConfig = PatchesConfig()):
        self.config = config

    def encode(self, frames: Float[Array, "b t h w 3"]) -> Float[Array, "b t h2 w2 z"]:
        """Encodes frames in [-1, 1] whose sides are multiples of the factor."""
        b, t, h, w, c = frames.shape
        f = self.config.factor
        x = frames.reshape(b, t, h // f, f, w // f, f, c)
        return x.transpose(0, 1, 2, 4, 3, 5, 6).reshape(b, t, h // f, w // f, -1)

    def decode(self, latents: Float[Array, "b t h w z"]) -> Float[Array, "b t h2 w2 3"]:
        b, t, h, w, _ = latents.shape
        f = self.config.factor
        x = latents.reshape(b, t, h, w, f, f, 3)
        return x.transpose(0, 1, 2, 4, 3, 5, 6).reshape(b, t, h * f, w * f, 3)

"""A stand-in for the VAE without weights or loss: pixels, rearranged.

Each latent holds the colours of a square of pixels. For small networks trained without
SVD's VAE: whatever such a network learns is not held back by what a VAE loses.
"""

import dataclasses
from typing import Any

from flax import nnx

from stereojax.shapes import Array, Float


@dataclasses.dataclass(frozen=True)
class PatchesConfig:
    """Sizes, under the names of `VAEConfig`."""

    factor: int = 2  # pixels a latent, each way
    scaling_factor: float = 2.0  # pixels in [-1, 1] have a deviation of about a half

    @property
    def latent_channels(self) -> int:
        return 3 * self.factor**2

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "PatchesConfig":
        return cls(**sizes)


class Patches(nnx.Module):
    """Encodes and decodes as `AutoencoderKLTemporalDecoder` does, each frame alone."""

    def __init__(self, config: PatchesConfig = PatchesConfig()):
        self.config = config

    def encode(self, frames: Float[Array, "b t h w 3"]) -> Float[Array, "b t h2 w2 z"]:
        """Frames in [-1, 1]; height and width are multiples of the factor."""
        b, t, h, w, c = frames.shape
        f = self.config.factor
        x = frames.reshape(b, t, h // f, f, w // f, f, c)
        return x.transpose(0, 1, 2, 4, 3, 5, 6).reshape(b, t, h // f, w // f, -1)

    def decode(self, latents: Float[Array, "b t h w z"]) -> Float[Array, "b t h2 w2 3"]:
        b, t, h, w, _ = latents.shape
        f = self.config.factor
        x = latents.reshape(b, t, h, w, f, f, 3)
        return x.transpose(0, 1, 2, 4, 3, 5, 6).reshape(b, t, h * f, w * f, 3)

"""Finds and loads the three networks of the diffusion fill."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
from flax.typing import Dtype

from stereojax.cli import InputError
from stereojax.inpaint.plan import Plan
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.svd.clip import TINY_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.networks import SVDNetworks, build, random_network
from stereojax.svd.unet import TINY, UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import TINY_VAE, AutoencoderKLTemporalDecoder, VAEConfig

RANDOM = "random"  # in place of a part's name: a small network of random weights
MASKED = 9  # channels in: 4 of noise, 4 of the splatted view, the mask
SMALL = dataclasses.replace(TINY, in_channels=MASKED)
CLASSES = (
    UNetSpatioTemporalConditionModel,
    AutoencoderKLTemporalDecoder,
    CLIPVisionModelWithProjection,
)


@dataclasses.dataclass(frozen=True)
class InpaintParts:
    """The weights of the diffusion fill: found, described, not loaded yet."""

    folders: tuple[Path, ...]  # none: random ones
    unet: UNetConfig
    vae: VAEConfig
    dtype: Dtype  # computed and stored in
    identity: str  # tells these weights, in this type, from any other

    def plan(self, settings: DiffusionSettings, published: bool) -> Plan:
        vae = self.vae
        multiple, channels = self.unet.multiple, vae.latent_channels
        return Plan(settings, vae.factor, multiple, channels, published)

    def load(self) -> SVDNetworks:
        """Raises InputError if weights are damaged or incomplete."""
        if not self.folders:
            return random_networks(self.dtype)
        return SVDNetworks.load(self.folders, self.dtype)


def find_networks(
    unet: str, vae: str, image_encoder: str, *, root: Path, dtype: Dtype | None = None
) -> InpaintParts:
    """The parts of these names under `root`; or `random`, for all three.

    Their `dtype` is by default float32 on a CPU, bfloat16 elsewhere.

    Raises:
      InputError: a part is not there, or not the right network; one line that says how
        to get it.
    """
    from stereojax.weights import (
        check_class,
        compute_dtype,
        fingerprint,
        read_config,
        require,
    )

    kind, parts = jnp.dtype(compute_dtype(dtype)), (unet, vae, image_encoder)
    if RANDOM in parts:
        if set(parts) != {RANDOM}:
            raise InputError("config.model: all three networks are random, or none is")
        return InpaintParts((), SMALL, TINY_VAE, kind, f"random {kind}")
    folders = tuple(require(part, root=root) for part in parts)
    configs = [read_config(folder) for folder in folders]
    for folder, config, cls in zip(folders, configs, CLASSES, strict=True):
        check_class(config, cls, folder)
    sizes = UNetConfig.from_dict(configs[0]["sizes"])
    if sizes.in_channels != MASKED:
        raise InputError(
            f"{folders[0]}: a U-Net of {sizes.in_channels} channels where inpainting "
            f"takes {MASKED}; of SVD's, convert_weights --init_mask_channel makes one"
        )
    marks = " ".join(fingerprint(folder) for folder in folders)
    vae_sizes = VAEConfig.from_dict(configs[1]["sizes"])
    return InpaintParts(folders, sizes, vae_sizes, kind, f"{marks} {kind}")


def random_networks(
    dtype: Dtype = jnp.float32, seed: int = 0, *, vae: VAEConfig = TINY_VAE
) -> SVDNetworks:
    """Returns small random networks, to try the whole chain: their fill is noise."""
    sizes = (SMALL, vae, TINY_CLIP)
    networks = (
        build(cls.__name__, dataclasses.asdict(config), dtype=dtype, param_dtype=dtype)
        for cls, config in zip(CLASSES, sizes, strict=True)
    )
    return SVDNetworks(*(random_network(n, seed + i) for i, n in enumerate(networks)))

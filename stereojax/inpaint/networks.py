"""Finds and loads the three networks of the diffusion fill."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
from flax.typing import Dtype

from stereojax.cli import InputError
from stereojax.inpaint.plan import Plan
from stereojax.inpaint.recipe import Recipe
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.svd.clip import TINY_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.networks import SVDNetworks, build, random_network
from stereojax.svd.unet import TINY, UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import TINY_VAE, AutoencoderKLTemporalDecoder, VAEConfig

RANDOM = "random"  # in place of a part's name: a small network of random weights
MASKED = 9  # input channels: 4 of noise, 4 of the splatted view, the mask
TINY_MASKED = dataclasses.replace(TINY, in_channels=MASKED)
CLASSES = (
    UNetSpatioTemporalConditionModel,
    AutoencoderKLTemporalDecoder,
    CLIPVisionModelWithProjection,
)


@dataclasses.dataclass(frozen=True)
class InpaintParts:
    """The parts of the diffusion fill: located and described, not loaded yet."""

    folders: tuple[Path, ...]  # empty: random weights
    unet: UNetConfig
    vae: VAEConfig
    dtype: Dtype  # of computation and of the stored weights
    identity: str  # of these weights in this type: part of the key of their results

    def plan(self, settings: DiffusionSettings, recipe: Recipe) -> Plan:
        """Returns the plan that `Diffusion` follows, without loading weights."""
        vae, multiple = self.vae, self.unet.multiple
        return Plan(settings, recipe, vae.factor, multiple, vae.latent_channels)

    def load(self) -> SVDNetworks:
        """Raises InputError if weights are damaged or incomplete."""
        if not self.folders:
            return random_networks(self.dtype)
        return SVDNetworks.load(self.folders, self.dtype)


def find_networks(
    unet: str, vae: str, image_encoder: str, *, root: Path, dtype: Dtype | None = None
) -> InpaintParts:
    """Locates the parts of these names under `root`; or `random` for all three.

    `dtype` is by default float32 on a CPU, bfloat16 elsewhere.

    Raises:
      InputError: a part is absent, or of another network; the line names the command
        that makes it.
    """
    from stereojax.weights import (
        check_class,
        compute_dtype,
        fingerprint,
        read_config,
        require,
    )

    dtype, parts = jnp.dtype(compute_dtype(dtype)), (unet, vae, image_encoder)
    if RANDOM in parts:
        if set(parts) != {RANDOM}:
            raise InputError("config.model: all three networks are random, or none is")
        return InpaintParts((), TINY_MASKED, TINY_VAE, dtype, f"random {dtype}")
    folders = tuple(require(part, root=root) for part in parts)
    configs = [read_config(folder) for folder in folders]
    for folder, config, cls in zip(folders, configs, CLASSES, strict=True):
        check_class(config, cls, folder)
    sizes = UNetConfig.from_dict(configs[0]["sizes"])
    if sizes.in_channels != MASKED:
        raise InputError(
            f"{folders[0]}: a U-Net of {sizes.in_channels} channels; inpainting takes "
            f"{MASKED}: convert_weights --init_mask_channel adds one to SVD's U-Net"
        )
    fingerprints = " ".join(fingerprint(folder) for folder in folders)
    vae_sizes = VAEConfig.from_dict(configs[1]["sizes"])
    return InpaintParts(folders, sizes, vae_sizes, dtype, f"{fingerprints} {dtype}")


def random_networks(
    dtype: Dtype = jnp.float32, seed: int = 0, *, vae: VAEConfig = TINY_VAE
) -> SVDNetworks:
    """Returns small random networks, to test the whole chain: their fill is noise."""
    sizes = (TINY_MASKED, vae, TINY_CLIP)
    networks = (
        build(cls.__name__, dataclasses.asdict(config), dtype=dtype, param_dtype=dtype)
        for cls, config in zip(CLASSES, sizes, strict=True)
    )
    return SVDNetworks(*(random_network(n, seed + i) for i, n in enumerate(networks)))

"""Loads the model that inpainting training starts from.

Each network is a converted part, the result of an earlier run, or small and random.
"""

import dataclasses
import json
from typing import Any

import numpy as np
from flax import nnx

from stereojax import weights
from stereojax.cli import InputError
from stereojax.metrics import lpips
from stereojax.settings.train import PATCHES, RANDOM, TrainSettings
from stereojax.storage.locations import Location, staged_read
from stereojax.svd.clip import TINY_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.networks import build, random_arrays, with_mask_channel
from stereojax.svd.patches import Patches, PatchesConfig
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import TINY_VAE, AutoencoderKLTemporalDecoder
from stereojax.training.task import InitialModel
from stereojax.weights.abstract import abstract
from stereojax.weights.names import flatten
from stereojax.weights.strict import check_arrays
from stereojax.weights.structure import split

UNET = UNetSpatioTemporalConditionModel.__name__
VAE = AutoencoderKLTemporalDecoder.__name__
IMAGE_ENCODER = CLIPVisionModelWithProjection.__name__


class InpaintModel(nnx.Module):
    """The networks of inpainting; parameter names begin with these attributes.

    `lpips` is None where no LPIPS metric is needed.
    """

    def __init__(self, unet: Any, vae: Any, image_encoder: Any, lpips: Any = None):
        self.unet, self.vae, self.image_encoder = unet, vae, image_encoder
        self.lpips = lpips


@dataclasses.dataclass(frozen=True)
class _Part:
    """The contents of a part's folder."""

    sizes: dict[str, Any]
    arrays: dict[str, np.ndarray]  # by dotted name
    fingerprint: str
    licence: str


def load_initial_model(
    settings: TrainSettings, *, root: Location, init_from: Location | None = None
) -> InitialModel:
    """Loads the inpainting networks that the settings name.

    An 8-channel U-Net gets a ninth input channel for the mask. Its weights are zero, so
    the output does not depend on the mask before training.

    Args:
      root: the root folder of converted weights.
      init_from: a part, or the folder of a finished run; replaces `settings.unet`.

    Raises:
      InputError: a part is absent, or belongs to another network.
    """
    dtype = weights.compute_dtype(settings.dtype)
    vae, vae_arrays, vae_id = _vae(settings, root)
    encoder, encoder_arrays, encoder_id = _image_encoder(settings, root, dtype)
    context = encoder.config.projection_dim
    part = _unet(settings, vae, context, root, init_from)
    unet = build(UNET, part.sizes, dtype=dtype, remat=settings.remat == "block")
    _check_sizes(unet.config, vae.config, context, settings)
    metric, metric_arrays, metric_id = _lpips(settings, vae.config.factor, root)
    structure, expected = split(InpaintModel(unet, vae, encoder, metric))
    arrays = {
        f"{prefix}.{name}": array
        for prefix, network in (
            ("unet", part.arrays),
            ("vae", vae_arrays),
            ("image_encoder", encoder_arrays),
            ("lpips", metric_arrays),
        )
        for name, array in network.items()
    }
    return InitialModel(
        structure,
        check_arrays(arrays, expected, what="the networks"),
        part.sizes,
        {"unet": part.fingerprint, "vae": vae_id, "image_encoder": encoder_id}
        | metric_id,
        part.licence,
    )


def _load_part(folder: Location, network: type) -> _Part:
    with staged_read(folder) as local:
        config, state = weights.load(local)
    weights.check_class(config, network, folder)
    licence = config.get("licence", "not known; see the source")
    return _Part(config["sizes"], flatten(state), config["digest"], licence)


def _unet(
    settings: TrainSettings,
    vae: Any,
    context: int,
    root: Location,
    init_from: Location | None,
) -> _Part:
    if init_from is None and settings.unet == RANDOM:
        sizes, arrays = _random_unet(settings, vae, context)
        licence = "chosen by whoever trained it; the initial weights were random"
        return _Part(sizes, arrays, f"random {settings.seed}", licence)
    folder = (
        weights.trained_part(init_from, flag="init_from")
        if init_from
        else weights.require(settings.unet, root=root)
    )
    part = _load_part(folder, UNetSpatioTemporalConditionModel)
    if part.sizes["in_channels"] != 8:
        return part
    kernel = with_mask_channel(part.arrays["conv_in.kernel"])
    return dataclasses.replace(
        part,
        sizes=part.sizes | {"in_channels": 9},
        arrays=part.arrays | {"conv_in.kernel": kernel},
    )


def _random_unet(
    settings: TrainSettings, vae: Any, context: int
) -> tuple[dict[str, Any], dict]:
    latent = vae.config.latent_channels
    config = UNetConfig(
        in_channels=2 * latent + 1,
        out_channels=latent,
        block_out_channels=settings.levels,
        layers_per_block=1,
        num_attention_heads=tuple(width // 32 for width in settings.levels),
        cross_attention_dim=context,
        addition_time_embed_dim=32,
        num_frames=settings.frames,
    )
    sizes = json.loads(json.dumps(dataclasses.asdict(config)))
    return sizes, random_arrays(build(UNET, sizes), settings.seed)


def _vae(settings: TrainSettings, root: Location) -> tuple[nnx.Module, dict, str]:
    """Returns the VAE, its arrays and their fingerprint.

    Always float32: the published pipeline encodes in float32.
    """
    if settings.vae == PATCHES:
        return Patches(PatchesConfig()), {}, PATCHES
    if settings.vae == RANDOM:
        vae = build(VAE, dataclasses.asdict(TINY_VAE))
        return vae, random_arrays(vae, settings.seed + 1), f"random {settings.seed}"
    folder = weights.require(settings.vae, root=root)
    part = _load_part(folder, AutoencoderKLTemporalDecoder)
    return build(VAE, part.sizes), part.arrays, part.fingerprint


def _image_encoder(
    settings: TrainSettings, root: Location, dtype: Any
) -> tuple[nnx.Module, dict, str]:
    if settings.image_encoder == RANDOM:
        encoder = build(IMAGE_ENCODER, dataclasses.asdict(TINY_CLIP), dtype=dtype)
        arrays = random_arrays(encoder, settings.seed + 2)
        return encoder, arrays, f"random {settings.seed}"
    folder = weights.require(settings.image_encoder, root=root)
    part = _load_part(folder, CLIPVisionModelWithProjection)
    encoder = build(IMAGE_ENCODER, part.sizes, dtype=dtype)
    return encoder, part.arrays, part.fingerprint


def _lpips(
    settings: TrainSettings, factor: int, root: Location
) -> tuple[nnx.Module | None, dict, dict[str, str]]:
    """Returns LPIPS, its arrays and its entry in the run's identity.

    The loss requires it; validation uses it if its weights are installed. Only the loss
    makes it part of the run's identity.
    """
    in_loss = settings.pixel_lpips > 0
    crop = settings.pixel_crop // factor * factor
    side = min(settings.height, settings.width, *([crop] if in_loss else []))
    if in_loss and side < lpips.MIN_SIDE:
        raise InputError(
            f"config.train.pixel_lpips={settings.pixel_lpips:g}: a decoded crop has "
            f"{side} px per side; expected pixel_crop, height and width of at least "
            f"{lpips.MIN_SIDE + 1}"
        )
    if not (in_loss or settings.validate_every) or side < lpips.MIN_SIDE:
        return None, {}, {}
    find = weights.require if in_loss else weights.find
    folder = find(lpips.PART, root=root)
    if folder is None:
        return None, {}, {}
    part = _load_part(folder, lpips.LPIPS)
    network = abstract(lambda rngs: lpips.LPIPS(rngs=rngs))
    return network, part.arrays, {"lpips": part.fingerprint} if in_loss else {}


def _check_sizes(
    unet: UNetConfig, vae: Any, context: int, settings: TrainSettings
) -> None:
    latent = vae.latent_channels
    for what, size, expected in (
        ("input channels", unet.in_channels, 2 * latent + 1),
        ("output channels", unet.out_channels, latent),
        ("context channels", unet.cross_attention_dim, context),
    ):
        if size != expected:
            raise InputError(
                f"the U-Net has {size} {what}, but vae={settings.vae} and "
                f"image_encoder={settings.image_encoder} need {expected}"
            )
    multiple = unet.multiple * vae.factor
    for name in ("height", "width"):
        if getattr(settings, name) % multiple:
            raise InputError(
                f"config.train.{name}={getattr(settings, name)}: expected a multiple "
                f"of {multiple}"
            )

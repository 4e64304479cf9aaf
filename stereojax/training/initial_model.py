"""The networks of a run: parts, another run's weights, or small random ones."""

import dataclasses
import json
from typing import Any

import numpy as np
from flax import nnx

from stereojax import weights
from stereojax.cli import InputError
from stereojax.metrics import lpips
from stereojax.settings.train import PATCHES, RANDOM, TrainSettings
from stereojax.storage.locations import Place, fetched
from stereojax.svd.clip import TINY_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.networks import build, random_arrays, with_mask_channel
from stereojax.svd.patches import Patches, PatchesConfig
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import TINY_VAE, AutoencoderKLTemporalDecoder
from stereojax.weights.abstract import abstract
from stereojax.weights.names import flatten
from stereojax.weights.strict import check_arrays
from stereojax.weights.structure import ModelStructure, split

UNET = UNetSpatioTemporalConditionModel.__name__
VAE = AutoencoderKLTemporalDecoder.__name__
IMAGE_ENCODER = CLIPVisionModelWithProjection.__name__


class InpaintModel(nnx.Module):
    """What fills holes, and LPIPS or None: the names of its arrays begin with these."""

    def __init__(self, unet: Any, vae: Any, image_encoder: Any, lpips: Any = None):
        self.unet, self.vae, self.image_encoder = unet, vae, image_encoder
        self.lpips = lpips


@dataclasses.dataclass(frozen=True)
class Start:
    """Where training begins."""

    structure: ModelStructure
    arrays: dict[str, np.ndarray]  # on the host
    sizes: dict[str, Any]  # of the network that trains, as a part's config has them
    identity: dict[str, str]  # what tells each network's weights from any other
    licence: str  # of the weights that the network that trains begins with


def start(
    settings: TrainSettings, *, root: Place, init_from: Place | None = None
) -> Start:
    """The networks that the settings name.

    An 8-channel U-Net gets a ninth channel, for the mask, whose weights are zero: it
    begins as a network that does not see the mask.

    Args:
      root: of the weights.
      init_from: a part, or the folder of a finished run, in place of `settings.unet`.

    Raises:
      InputError: a part is not there, or is of another network.
    """
    dtype = weights.compute_dtype(settings.dtype)
    vae, vae_arrays, vae_mark = _vae(settings, root)
    encoder, encoder_arrays, encoder_mark = _image_encoder(settings, root, dtype)
    context = encoder.config.projection_dim
    if init_from is None and settings.unet == RANDOM:
        sizes, arrays = _random_unet(settings, vae, context)
        unet_mark = f"random {settings.seed}"
        licence = "of whoever trained it: it began with random weights"
    else:
        folder = (
            weights.trained_part(init_from, flag="init_from")
            if init_from
            else weights.require(settings.unet, root=root)
        )
        sizes, arrays, unet_mark, licence = _part(
            folder, UNetSpatioTemporalConditionModel
        )
        if sizes["in_channels"] == 8:
            sizes = {**sizes, "in_channels": 9}
            arrays["conv_in.kernel"] = with_mask_channel(arrays["conv_in.kernel"])
    unet = build(UNET, sizes, dtype=dtype, remat=settings.remat == "block")
    _check_sizes(unet.config, vae.config, context, settings)
    judge, judge_arrays, judge_mark = _lpips(settings, vae.config.factor, root)
    structure, wanted = split(InpaintModel(unet, vae, encoder, judge))
    given = {
        f"{prefix}.{name}": array
        for prefix, arrays in (
            ("unet", arrays),
            ("vae", vae_arrays),
            ("image_encoder", encoder_arrays),
            ("lpips", judge_arrays),
        )
        for name, array in arrays.items()
    }
    return Start(
        structure,
        check_arrays(given, wanted, what="the networks"),
        sizes,
        {"unet": unet_mark, "vae": vae_mark, "image_encoder": encoder_mark}
        | judge_mark,
        licence,
    )


def _part(folder: Place, network: type) -> tuple[dict[str, Any], dict, str, str]:
    """(sizes, arrays by name, what tells them from others, licence) of a part."""
    with fetched(folder) as here:
        config, state = weights.load(here)
    weights.check_class(config, network, folder)
    licence = config.get("licence", "not known; see the source")
    return config["sizes"], flatten(state), config["digest"], licence


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


def _vae(settings: TrainSettings, root: Place) -> tuple[nnx.Module, dict, str]:
    # Always float32, as the published pipeline encodes.
    if settings.vae == PATCHES:
        return Patches(PatchesConfig()), {}, PATCHES
    if settings.vae == RANDOM:
        vae = build(VAE, dataclasses.asdict(TINY_VAE))
        return vae, random_arrays(vae, settings.seed + 1), f"random {settings.seed}"
    sizes, arrays, mark, _ = _part(
        weights.require(settings.vae, root=root), AutoencoderKLTemporalDecoder
    )
    return build(VAE, sizes), arrays, mark


def _image_encoder(
    settings: TrainSettings, root: Place, dtype: Any
) -> tuple[nnx.Module, dict, str]:
    if settings.image_encoder == RANDOM:
        encoder = build(IMAGE_ENCODER, dataclasses.asdict(TINY_CLIP), dtype=dtype)
        arrays = random_arrays(encoder, settings.seed + 2)
        return encoder, arrays, f"random {settings.seed}"
    folder = weights.require(settings.image_encoder, root=root)
    sizes, arrays, mark, _ = _part(folder, CLIPVisionModelWithProjection)
    return build(IMAGE_ENCODER, sizes, dtype=dtype), arrays, mark


def _lpips(
    settings: TrainSettings, factor: int, root: Place
) -> tuple[nnx.Module | None, dict, dict[str, str]]:
    """LPIPS where it is needed, or wanted and there: (network, arrays, mark).

    Validation does without: only a run whose loss has it is told apart by its mark.
    """
    trains = settings.pixel_lpips > 0
    crop = settings.pixel_crop // factor * factor
    seen = min(settings.height, settings.width, *([crop] if trains else []))
    if trains and seen < lpips.LEAST:
        raise InputError(
            f"config.train.pixel_lpips={settings.pixel_lpips:g}: a decoded crop has "
            f"{seen} px a side; expected pixel_crop, height and width of at least "
            f"{lpips.LEAST + 1}"
        )
    if not (trains or settings.validate_every) or seen < lpips.LEAST:
        return None, {}, {}
    look = weights.require if trains else weights.find
    folder = look(lpips.PART, root=root)
    if folder is None:
        return None, {}, {}
    _, arrays, mark, _ = _part(folder, lpips.LPIPS)
    network = abstract(lambda rngs: lpips.LPIPS(rngs=rngs))
    return network, arrays, {"lpips": mark} if trains else {}


def _check_sizes(
    unet: UNetConfig, vae: Any, context: int, settings: TrainSettings
) -> None:
    latent = vae.latent_channels
    for what, is_there, expected in (
        ("input channels", unet.in_channels, 2 * latent + 1),
        ("output channels", unet.out_channels, latent),
        ("numbers of context", unet.cross_attention_dim, context),
    ):
        if is_there != expected:
            raise InputError(
                f"the U-Net has {is_there} {what} where vae={settings.vae} and "
                f"image_encoder={settings.image_encoder} need {expected}"
            )
    multiple = unet.multiple * vae.factor
    for name in ("height", "width"):
        if getattr(settings, name) % multiple:
            raise InputError(
                f"config.train.{name}={getattr(settings, name)}: expected a multiple "
                f"of {multiple}"
            )

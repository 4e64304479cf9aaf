"""The networks of a run: parts, another run's weights, or small random ones."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from stereojax import weights
from stereojax.cli import InputError
from stereojax.metrics import lpips
from stereojax.settings.train import PATCHES, RANDOM, TrainSettings
from stereojax.storage.locations import Place, fetched
from stereojax.svd.clip import TINY_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.networks import build
from stereojax.svd.patches import Patches, PatchesConfig
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import TINY_VAE, AutoencoderKLTemporalDecoder
from stereojax.training.parameters import Structure, split
from stereojax.weights.abstract import abstract
from stereojax.weights.problems import Problems
from stereojax.weights.root import CONFIG

UNET = UNetSpatioTemporalConditionModel.__name__
VAE = AutoencoderKLTemporalDecoder.__name__
IMAGE_ENCODER = CLIPVisionModelWithProjection.__name__


class Networks(nnx.Module):
    """What fills holes, and LPIPS or None: the names of its arrays begin with these."""

    def __init__(self, unet: Any, vae: Any, image_encoder: Any, lpips: Any = None):
        self.unet, self.vae, self.image_encoder = unet, vae, image_encoder
        self.lpips = lpips


@dataclasses.dataclass(frozen=True)
class Start:
    """Where training begins."""

    structure: Structure
    arrays: dict[str, np.ndarray]  # on the host
    sizes: dict[str, Any]  # of the network that trains, as a part's config has them
    identity: dict[str, str]  # what tells each network's weights from any other
    licence: str  # of the weights that the network that trains begins with


def compute_dtype(settings: TrainSettings) -> Any:
    if settings.dtype == "auto":
        return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    return jnp.dtype(settings.dtype)


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
    dtype = compute_dtype(settings)
    vae, vae_arrays, vae_mark = _vae(settings, root)
    encoder, encoder_arrays, encoder_mark = _image_encoder(settings, root, dtype)
    context = encoder.config.projection_dim
    if init_from is None and settings.unet == RANDOM:
        sizes, arrays = _random_unet(settings, vae, context)
        unet_mark = f"random {settings.seed}"
        licence = "of whoever trained it: it began with random weights"
    else:
        folder = (
            part_of(init_from)
            if init_from
            else weights.require(settings.unet, root=root)
        )
        sizes, arrays, unet_mark, licence = _part(folder, UNET)
        sizes = _with_mask_channel(sizes, arrays)
    unet = build(UNET, sizes, dtype=dtype, remat=settings.remat == "block")
    _check_sizes(unet.config, vae.config, context, settings)
    judge, judge_arrays, judge_mark = _lpips(settings, vae.config.factor, root)
    structure, wanted = split(Networks(unet, vae, encoder, judge))
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
        strictly(given, wanted, what="the networks"),
        sizes,
        {"unet": unet_mark, "vae": vae_mark, "image_encoder": encoder_mark}
        | judge_mark,
        licence,
    )


def strictly(
    given: Mapping[str, np.ndarray], wanted: Mapping[str, Any], *, what: str
) -> dict[str, np.ndarray]:
    """The arrays under the names and with the shapes that are wanted.

    Raises:
      InputError: every missing, misshapen or unused array, in one line.
    """
    problems = Problems()
    for name, shape in wanted.items():
        if name not in given:
            problems.missing(name, shape.shape)
        elif given[name].shape != shape.shape:
            problems.misshapen(name, given[name].shape, shape.shape)
    for name, array in given.items():
        if name not in wanted:
            problems.unused(name, array.shape)
    problems.check(f"loading {what}")
    return {name: given[name] for name in wanted}


def part_of(folder: Place) -> Place:
    """The part at `folder`, or the one that the run at `folder` has ended with.

    Raises:
      InputError: there is neither.
    """
    for place in (folder, folder / "weights" / "unet"):
        if (place / CONFIG).is_file():
            return place
    raise InputError(
        f"--init_from={folder}: no {CONFIG} in it, nor in weights/unet below it; "
        "expected converted weights, or the --workdir of a run that has ended"
    )


def _part(folder: Place, network: str) -> tuple[dict[str, Any], dict, str, str]:
    """(sizes, arrays by name, what tells them from others, licence) of a part."""
    with fetched(folder) as here:
        config, state = weights.load(here)
    if config["class"] != network:
        raise InputError(f"{folder}: weights of {config['class']}, expected {network}")
    flat = nnx.traversals.flatten_mapping(state)
    arrays = {".".join(map(str, path)): array for path, array in flat.items()}
    licence = config.get("licence", "not known; see the source")
    return config["sizes"], arrays, config["digest"], licence


def _with_mask_channel(sizes: dict[str, Any], arrays: dict) -> dict[str, Any]:
    if sizes["in_channels"] != 8:
        return sizes
    # (height, width, in, out): after 4 channels of noise and 4 of the splatted view.
    kernel = arrays["conv_in.kernel"]
    arrays["conv_in.kernel"] = np.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 0)))
    return {**sizes, "in_channels": 9}


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


def random_arrays(network: nnx.Module, seed: int) -> dict[str, np.ndarray]:
    """First weights for an abstract network, the same wherever they are drawn.

    Kernels keep the scale of what goes through them; temporal and spatial layers begin
    with equal shares.
    """
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, like in split(network)[1].items():
        match name.rpartition(".")[2]:
            case "kernel":
                scale = np.prod(like.shape[:-1]) ** -0.5
            case "embedding" | "class_embedding":
                scale = 0.02
            case _:  # a norm's scale, a bias, a share
                scale = 0
        array = np.float32(scale) * rng.standard_normal(like.shape, np.float32)
        arrays[name] = array + np.float32(name.endswith(".scale"))
    return arrays


def _vae(settings: TrainSettings, root: Place) -> tuple[nnx.Module, dict, str]:
    # Always float32, as the published pipeline encodes.
    if settings.vae == PATCHES:
        return Patches(PatchesConfig()), {}, PATCHES
    if settings.vae == RANDOM:
        vae = build(VAE, dataclasses.asdict(TINY_VAE))
        return vae, random_arrays(vae, settings.seed + 1), f"random {settings.seed}"
    sizes, arrays, mark, _ = _part(weights.require(settings.vae, root=root), VAE)
    return build(VAE, sizes), arrays, mark


def _image_encoder(
    settings: TrainSettings, root: Place, dtype: Any
) -> tuple[nnx.Module, dict, str]:
    if settings.image_encoder == RANDOM:
        encoder = build(IMAGE_ENCODER, dataclasses.asdict(TINY_CLIP), dtype=dtype)
        arrays = random_arrays(encoder, settings.seed + 2)
        return encoder, arrays, f"random {settings.seed}"
    folder = weights.require(settings.image_encoder, root=root)
    sizes, arrays, mark, _ = _part(folder, IMAGE_ENCODER)
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
    _, arrays, mark, _ = _part(folder, lpips.LPIPS.__name__)
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

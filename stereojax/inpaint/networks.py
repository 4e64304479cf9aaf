"""The three networks of the diffusion fill, from where their weights lie."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Dtype

from stereojax.cli import InputError
from stereojax.inpaint.plan import Plan
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.svd.clip import TINY_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.networks import build
from stereojax.svd.unet import TINY, UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import TINY_VAE, AutoencoderKLTemporalDecoder, VAEConfig
from stereojax.weights.abstract import abstract

RANDOM = "random"  # in place of a part's name: a small network of random weights
MASKED = 9  # channels in: 4 of noise, 4 of the splatted view, the mask
SMALL = dataclasses.replace(TINY, in_channels=MASKED)
CLASSES = (
    UNetSpatioTemporalConditionModel,
    AutoencoderKLTemporalDecoder,
    CLIPVisionModelWithProjection,
)


@dataclasses.dataclass(frozen=True)
class Networks:
    """What fills holes."""

    unet: UNetSpatioTemporalConditionModel
    vae: AutoencoderKLTemporalDecoder
    image_encoder: CLIPVisionModelWithProjection


@dataclasses.dataclass(frozen=True)
class Found:
    """The networks' places and sizes; nothing is loaded yet."""

    folders: tuple[Path, ...]  # none: random ones
    unet: UNetConfig
    vae: VAEConfig
    dtype: Dtype  # computed and stored in
    identity: str  # tells these weights, in this type, from any other

    def plan(self, settings: DiffusionSettings, published: bool) -> Plan:
        vae = self.vae
        multiple, channels = self.unet.multiple, vae.latent_channels
        return Plan(settings, vae.factor, multiple, channels, published)

    def load(self) -> Networks:
        """Raises InputError where weights are damaged, or not all of them there."""
        from stereojax.weights import fill, load

        if not self.folders:
            return random_networks(self.dtype)
        networks = []
        for folder in self.folders:
            config, state = load(folder)
            more = {"dtype": self.dtype, "param_dtype": self.dtype}
            network = build(config["class"], config["sizes"], **more)
            networks.append(fill(network, state, what=config["part"]))
        return Networks(*networks)


def find_networks(
    unet: str, vae: str, image_encoder: str, *, root: Path, dtype: Dtype | None = None
) -> Found:
    """The parts of these names under `root`; or `random`, for all three.

    Their `dtype` is by default float32 on a CPU, bfloat16 elsewhere.

    Raises:
      InputError: a part is not there, or not the right network; one line that says how
        to get it.
    """
    from stereojax.weights import fingerprint, read_config, require

    if dtype is None:
        dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    kind, parts = jnp.dtype(dtype), (unet, vae, image_encoder)
    if RANDOM in parts:
        if set(parts) != {RANDOM}:
            raise InputError("config.model: all three networks are random, or none is")
        return Found((), SMALL, TINY_VAE, kind, f"random {kind}")
    folders = tuple(require(part, root=root) for part in parts)
    configs = [read_config(folder) for folder in folders]
    for folder, config, cls in zip(folders, configs, CLASSES, strict=True):
        if config["class"] != cls.__name__:
            raise InputError(
                f"{folder}: weights of {config['class']}, expected {cls.__name__}"
            )
    sizes = UNetConfig.from_dict(configs[0]["sizes"])
    if sizes.in_channels != MASKED:
        raise InputError(
            f"{folders[0]}: a U-Net of {sizes.in_channels} channels where inpainting "
            f"takes {MASKED}; of SVD's, convert_weights --init_mask_channel makes one"
        )
    marks = " ".join(fingerprint(folder) for folder in folders)
    vae_sizes = VAEConfig.from_dict(configs[1]["sizes"])
    return Found(folders, sizes, vae_sizes, kind, f"{marks} {kind}")


def random_networks(
    dtype: Dtype = jnp.float32, seed: int = 0, *, vae: VAEConfig = TINY_VAE
) -> Networks:
    """Small ones, for trying the whole chain: what they fill in means nothing."""
    rng = np.random.default_rng(seed)
    configs = (SMALL, vae, TINY_CLIP)
    both = zip(CLASSES, configs, strict=True)
    return Networks(*(_random(cls, config, dtype, rng) for cls, config in both))


def _random(cls: type, config: Any, dtype: Dtype, rng: np.random.Generator):
    """Drawn by numpy: thousands of small arrays take jax half a minute."""
    network = abstract(
        lambda rngs: cls(config, dtype=dtype, param_dtype=dtype, rngs=rngs)
    )
    graph, state = nnx.split(network)

    def drawn(path: tuple, variable: nnx.Variable) -> nnx.Variable:
        name, shape = path[-1], variable.shape
        if name in ("scale", "bias"):
            values = np.full(shape, float(name == "scale"))
        else:
            values = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
        return variable.replace(jnp.asarray(values, variable.dtype))

    flat = [(path, drawn(path, v)) for path, v in nnx.to_flat_state(state)]
    return nnx.merge(graph, nnx.from_flat_state(flat))

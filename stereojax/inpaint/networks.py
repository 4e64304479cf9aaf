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
from stereojax.ops.abstract import abstract
from stereojax.svd.clip import TINY_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.unet import TINY, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import TINY_VAE, AutoencoderKLTemporalDecoder, VAEConfig

RANDOM = "random"  # in place of a part's name: a small network of random weights
MASKED = 9  # channels in: 4 of noise, 4 of the splatted view, the mask


@dataclasses.dataclass(frozen=True)
class Networks:
    """What fills holes; `identity` tells its weights from any other."""

    unet: UNetSpatioTemporalConditionModel
    vae: AutoencoderKLTemporalDecoder
    image_encoder: CLIPVisionModelWithProjection
    identity: str

    def __post_init__(self):
        channels = self.unet.config.in_channels
        if channels != MASKED:
            raise InputError(
                f"the U-Net takes {channels} channels where inpainting takes {MASKED}; "
                "of an SVD U-Net convert_weights --init_mask_channel makes one"
            )

    @property
    def multiple(self) -> int:
        """Pixels that a picture's height and width must be multiples of."""
        return self.unet.config.multiple * self.vae.config.factor


def load_networks(
    unet: str, vae: str, image_encoder: str, *, root: Path, dtype: Dtype | None = None
) -> Networks:
    """The parts of these names under `root`; or `random`, for all three.

    Computes in `dtype`, and stores in it: by default float32 on a CPU, bfloat16
    elsewhere.

    Raises:
      InputError: a part is not there, or not the right network; one line that says how
        to get it.
    """
    if dtype is None:
        dtype = jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    parts = (unet, vae, image_encoder)
    if RANDOM in parts:
        if set(parts) != {RANDOM}:
            raise InputError("config.model: all three networks are random, or none is")
        return random_networks(dtype)
    classes = (
        UNetSpatioTemporalConditionModel,
        AutoencoderKLTemporalDecoder,
        CLIPVisionModelWithProjection,
    )
    loaded = [
        _load(part, cls, root, dtype) for part, cls in zip(parts, classes, strict=True)
    ]
    return Networks(*(m for m, _ in loaded), " ".join(mark for _, mark in loaded))


def random_networks(
    dtype: Dtype = jnp.float32, seed: int = 0, *, vae: VAEConfig = TINY_VAE
) -> Networks:
    """Small ones, for trying the whole chain: what they fill in means nothing."""
    small = dataclasses.replace(TINY, in_channels=MASKED)
    rng = np.random.default_rng(seed)
    networks = (
        (UNetSpatioTemporalConditionModel, small),
        (AutoencoderKLTemporalDecoder, vae),
        (CLIPVisionModelWithProjection, TINY_CLIP),
    )
    made = [_random(cls, config, dtype, rng) for cls, config in networks]
    return Networks(*made, f"random {seed}")


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


def _load(part: str, cls: type, root: Path, dtype: Dtype) -> tuple[nnx.Module, str]:
    from stereojax.svd.networks import build
    from stereojax.weights import fill, load, require

    folder = require(part, root=root)
    config, state = load(folder)
    if config["class"] != cls.__name__:
        raise InputError(
            f"{folder}: weights of {config['class']}, expected {cls.__name__}"
        )
    network = build(cls.__name__, config["sizes"], dtype=dtype, param_dtype=dtype)
    return fill(network, state, what=part), config["digest"]

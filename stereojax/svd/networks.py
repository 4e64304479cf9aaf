"""Builds and loads the three networks of Stable Video Diffusion; random weights."""

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Dtype

from stereojax.svd.clip import CLIPVisionConfig, CLIPVisionModelWithProjection
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder, VAEConfig
from stereojax.weights.abstract import abstract
from stereojax.weights.structure import split

NETWORKS = {
    "UNetSpatioTemporalConditionModel": (UNetSpatioTemporalConditionModel, UNetConfig),
    "AutoencoderKLTemporalDecoder": (AutoencoderKLTemporalDecoder, VAEConfig),
    "CLIPVisionModelWithProjection": (CLIPVisionModelWithProjection, CLIPVisionConfig),
}


@dataclasses.dataclass(frozen=True)
class SVDNetworks:
    """The networks that one sampler uses together."""

    unet: UNetSpatioTemporalConditionModel
    vae: AutoencoderKLTemporalDecoder
    image_encoder: CLIPVisionModelWithProjection

    @classmethod
    def load(cls, folders: tuple[Path, ...], dtype: Dtype) -> "SVDNetworks":
        """Loads the parts of the U-Net, the VAE and the image encoder, in this order.

        Raises:
          InputError: a part is absent, damaged or of another class.
        """
        from stereojax.weights import load_network

        networks = []
        for folder, field in zip(folders, dataclasses.fields(cls), strict=True):
            name = field.type.__name__

            def build_part(sizes: dict[str, Any], name: str = name) -> nnx.Module:
                return build(name, sizes, dtype=dtype, param_dtype=dtype)

            networks.append(load_network(folder, field.type, build_part)[0])
        return cls(*networks)


def build(name: str, sizes: dict[str, Any], **settings: Any) -> nnx.Module:
    """Returns the network of class `name`, abstract: shapes in place of arrays.

    Args:
      sizes: from the part's config.json.
      settings: dtype, param_dtype, attention, remat; as the class takes them.

    Raises:
      ValueError: no network has that name.
    """
    if name not in NETWORKS:
        raise ValueError(f"network {name!r}: expected one of {', '.join(NETWORKS)}")
    network, config = NETWORKS[name]
    return abstract(
        lambda rngs: network(config.from_dict(sizes), **settings, rngs=rngs)
    )


def random_arrays(network: nnx.Module, seed: int) -> dict[str, np.ndarray]:
    """Draws initial weights for an abstract network, the same on every machine.

    NumPy draws them: JAX takes half a minute for thousands of small arrays. Kernels
    preserve the scale of activations; biases and the mixing factors of temporal layers
    are 0.
    """
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, like in split(network)[1].items():
        match name.rpartition(".")[2]:
            case "kernel":
                scale = np.prod(like.shape[:-1]) ** -0.5
            case "embedding" | "class_embedding":
                scale = 0.02
            case _:  # a norm's scale, a bias, a mixing factor
                scale = 0
        array = np.float32(scale) * rng.standard_normal(like.shape, np.float32)
        arrays[name] = array + np.float32(name.endswith(".scale"))
    return arrays


def random_network(network: nnx.Module, seed: int) -> nnx.Module:
    """Returns an abstract network with `random_arrays`, in the network's own types."""
    structure, shapes = split(network)
    arrays = random_arrays(network, seed)
    return structure.model(
        {name: jnp.asarray(x, shapes[name].dtype) for name, x in arrays.items()}
    )


def with_mask_channel(kernel: np.ndarray) -> np.ndarray:
    """Returns an 8-channel `conv_in.kernel` with a ninth input channel, for the mask.

    The new weights are zero: training begins with a network that ignores the mask, as
    StereoCrafter's does. `kernel` is (height, width, in, out).
    """
    return np.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 0)))

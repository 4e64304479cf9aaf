"""The three networks by the names of their classes, for whoever loads them."""

from typing import Any

from flax import nnx

from stereojax.svd.clip import CLIPVisionConfig, CLIPVisionModelWithProjection
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder, VAEConfig
from stereojax.weights.abstract import abstract

NETWORKS = {
    "UNetSpatioTemporalConditionModel": (UNetSpatioTemporalConditionModel, UNetConfig),
    "AutoencoderKLTemporalDecoder": (AutoencoderKLTemporalDecoder, VAEConfig),
    "CLIPVisionModelWithProjection": (CLIPVisionModelWithProjection, CLIPVisionConfig),
}


def build(name: str, sizes: dict[str, Any], **settings: Any) -> nnx.Module:
    """The network of class `name`, abstract: with shapes where its arrays will be.

    Args:
      sizes: of the part's config.json.
      settings: dtype, param_dtype, attention, remat; as its class takes them.

    Raises:
      ValueError: no such network.
    """
    if name not in NETWORKS:
        raise ValueError(f"network {name!r}: expected one of {', '.join(NETWORKS)}")
    network, config = NETWORKS[name]
    return abstract(
        lambda rngs: network(config.from_dict(sizes), **settings, rngs=rngs)
    )

"""The three networks of DepthCrafter, from where their weights lie."""

import dataclasses
from pathlib import Path

from flax.typing import Dtype

from stereojax.svd.clip import CLIPVisionModelWithProjection
from stereojax.svd.unet import UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder

PARTS = ("depthcrafter/unet", "svd/vae", "svd/image_encoder")


@dataclasses.dataclass(frozen=True)
class Networks:
    unet: UNetSpatioTemporalConditionModel
    vae: AutoencoderKLTemporalDecoder
    image_encoder: CLIPVisionModelWithProjection

    @classmethod
    def load(cls, folders: tuple[Path, Path, Path], dtype: Dtype) -> "Networks":
        """From converted parts, in the order of `PARTS`.

        Raises:
          InputError: one is not there, or not the right network.
        """
        from stereojax.cli import InputError
        from stereojax.svd.networks import build
        from stereojax.weights import fill, load

        found = []
        for folder, field in zip(folders, dataclasses.fields(cls), strict=True):
            config, state = load(folder)
            if config["class"] != field.type.__name__:
                raise InputError(
                    f"{folder}: weights of {config['class']}, expected "
                    f"{field.type.__name__}"
                )
            network = build(
                config["class"], config["sizes"], dtype=dtype, param_dtype=dtype
            )
            found.append(fill(network, state, what=config["part"]))
        return cls(*found)

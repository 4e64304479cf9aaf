"""Stable Video Diffusion in Flax NNX: U-Net, VAE, CLIP image encoder, sampler.

The public names are imported on first use, so that importing one part of the package
does not load the others. Import `denoise` from `stereojax.svd.denoise`.
"""

import importlib
from typing import Any

# Public name -> module. `denoise` is absent: the module of that name would replace it.
_PUBLIC = {
    "AutoencoderKLTemporalDecoder": "vae",
    "CLIPVisionConfig": "clip",
    "CLIPVisionModelWithProjection": "clip",
    "Conditioning": "denoise",
    "UNetConfig": "unet",
    "UNetSpatioTemporalConditionModel": "unet",
    "VAEConfig": "vae",
    "build": "networks",
    "clip_pixels": "clip_image",
    "decode": "vae_decode",
    "encode_frames": "vae",
    "schedule": "scheduler",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)

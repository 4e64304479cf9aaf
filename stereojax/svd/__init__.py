"""Stable Video Diffusion in Flax NNX: U-Net, VAE, CLIP image encoder, sampler.

The names below are imported when they are first used.
"""

import importlib
from typing import Any

_PUBLIC = {
    "AutoencoderKLTemporalDecoder": "vae",
    "CLIPVisionModelWithProjection": "clip",
    "Conditioning": "denoise",
    "UNetSpatioTemporalConditionModel": "unet",
    "VAEConfig": "vae",
    "CLIPVisionConfig": "clip",
    "UNetConfig": "unet",
    "clip_pixels": "clip_image",
    "denoise": "denoise",
    "schedule": "scheduler",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'stereojax.svd' has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)

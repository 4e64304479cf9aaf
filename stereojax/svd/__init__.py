"""Stable Video Diffusion in Flax NNX: U-Net, VAE, CLIP image encoder, sampler.

The names below are imported when they are first used.
"""

import importlib
from typing import Any

# `denoise` is to be had from the module of that name.
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
        raise AttributeError(f"module 'stereojax.svd' has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)

"""Writes a converted network to a folder that diffusers or transformers loads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from convert_weights.torch_layout import torch_layouts
from stereojax.cli import InputError
from stereojax.storage.atomic import atomic_folder
from stereojax.svd.networks import NETWORKS, build
from stereojax.weights.names import State
from stereojax.weights.strict import Problems


def write_folder(folder: Path, name: str, sizes: dict[str, Any], state: State) -> Path:
    """Writes the network of class `name` to the new folder `folder`.

    Args:
      sizes: the sizes in the converted network's config.json.
      state: the network's arrays; their dtypes are kept.

    Raises:
      InputError: neither diffusers nor transformers has the class, `folder` exists, or
        the arrays do not fit the network.
    """
    from safetensors.numpy import save_file

    if name not in NETWORKS:
        raise InputError(f"{name} cannot be exported; only {', '.join(NETWORKS)} can")
    if folder.exists():
        raise InputError(f"{folder}: exists; give another --output")
    tensors = to_torch(build(name, sizes), state, what=name)
    file = "model" if name.startswith("CLIP") else "diffusion_pytorch_model"
    config = json.dumps(diffusers_config(name, sizes), indent=2, sort_keys=True)
    with atomic_folder(folder) as temporary:
        (temporary / "config.json").write_text(config + "\n")
        # transformers requires the format's name in the metadata.
        save_file(tensors, temporary / f"{file}.safetensors", {"format": "pt"})
    return folder


def to_torch(model: nnx.Module, state: State, *, what: str) -> dict[str, np.ndarray]:
    """Returns the arrays of `model` by PyTorch's names, in PyTorch's layout.

    Args:
      what: the network's name, for errors.

    Raises:
      InputError: lists every missing, unused or wrongly shaped array.
    """
    arrays = dict(nnx.traversals.flatten_mapping(state))
    tensors, problems = {}, Problems()
    for layout in torch_layouts(model):
        array = arrays.pop(layout.path, None)
        if array is None:
            problems.missing(layout.name, layout.shape)
            continue
        tensor = layout.to_torch(array)
        if tensor.shape != layout.shape:
            problems.wrong_shape(layout.name, tensor.shape, layout.shape)
        tensors[layout.name] = tensor
    for path, array in arrays.items():
        problems.unused(".".join(map(str, path)), array.shape)
    problems.check(f"exporting {what}")
    return tensors


def diffusers_config(name: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """Returns the config.json from which diffusers or transformers builds a network."""
    if name.startswith("CLIP"):
        return {
            **sizes,
            "architectures": [name],
            "model_type": "clip_vision_model",
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
            "num_channels": 3,
        }
    levels = len(sizes["block_out_channels"])
    if name.startswith("Autoencoder"):
        return {
            **sizes,
            "_class_name": name,
            "in_channels": 3,
            "out_channels": 3,
            "down_block_types": ["DownEncoderBlock2D"] * levels,
            "sample_size": 768,
            "force_upcast": True,
        }
    # The lowest level has no cross-attention.
    attention_levels = levels - 1
    return {
        **sizes,
        "_class_name": name,
        "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * attention_levels
        + ["DownBlockSpatioTemporal"],
        "up_block_types": ["UpBlockSpatioTemporal"]
        + ["CrossAttnUpBlockSpatioTemporal"] * attention_levels,
        "projection_class_embeddings_input_dim": 3 * sizes["addition_time_embed_dim"],
        "transformer_layers_per_block": 1,
        "sample_size": 96,
    }

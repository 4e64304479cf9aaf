"""A converted network as the folder that diffusers, or transformers, loads."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from convert_weights.torch_layout import leaves
from stereojax.cli import InputError
from stereojax.svd.networks import NETWORKS, build
from stereojax.weights.names import State
from stereojax.weights.strict import Problems


def write_folder(folder: Path, name: str, sizes: dict[str, Any], state: State) -> Path:
    """Writes the network of class `name` to `folder`, which must not be there yet.

    Args:
      sizes: as the part's config.json has them.
      state: its arrays; stored in the types that they have.

    Raises:
      InputError: the class is none of diffusers' or transformers', `folder` is there,
        or the arrays are not the network's.
    """
    from safetensors.numpy import save_file

    if name not in NETWORKS:
        raise InputError(f"{name} cannot be exported; only {', '.join(NETWORKS)} can")
    if folder.exists():
        raise InputError(f"{folder}: exists; give another --output")
    tensors = to_torch(build(name, sizes), state, what=name)
    file = "model" if name.startswith("CLIP") else "diffusion_pytorch_model"
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        beside.mkdir()
        config = json.dumps(published_config(name, sizes), indent=2, sort_keys=True)
        (beside / "config.json").write_text(config + "\n")
        # transformers asks for the format.
        save_file(tensors, beside / f"{file}.safetensors", {"format": "pt"})
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def to_torch(model: nnx.Module, state: State, *, what: str) -> dict[str, np.ndarray]:
    """The arrays of `model` under torch's names, in torch's layout.

    Raises:
      InputError: every missing, misshapen or unused array, in one line.
    """
    given = dict(nnx.traversals.flatten_mapping(state))
    tensors, problems = {}, Problems()
    for leaf in leaves(model):
        array = given.pop(leaf.path, None)
        if array is None:
            problems.missing(leaf.name, leaf.shape)
            continue
        array = leaf.to_torch(array)
        if array.shape != leaf.shape:
            problems.misshapen(leaf.name, array.shape, leaf.shape)
        tensors[leaf.name] = array
    for path, array in given.items():
        problems.unused(".".join(map(str, path)), array.shape)
    problems.check(f"exporting {what}")
    return tensors


def published_config(name: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """The config.json by which diffusers, or transformers, builds the network."""
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
    above = levels - 1
    return {
        **sizes,
        "_class_name": name,
        "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * above
        + ["DownBlockSpatioTemporal"],
        "up_block_types": ["UpBlockSpatioTemporal"]
        + ["CrossAttnUpBlockSpatioTemporal"] * above,
        "projection_class_embeddings_input_dim": 3 * sizes["addition_time_embed_dim"],
        "transformer_layers_per_block": 1,
        "sample_size": 96,
    }

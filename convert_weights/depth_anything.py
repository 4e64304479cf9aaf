"""Converts Depth Anything V2 from the authors' layout and from transformers'."""

import math
import re
from typing import Any

from convert_weights.detected_model import DetectedModel, preset_name, shape_of
from convert_weights.engine import Rename, Table, map_tensors
from convert_weights.sources import Checkpoint
from stereojax.cli import InputError
from stereojax.depth.networks.depth_anything_v2 import (
    PRESETS,
    DepthAnythingV2,
    DepthAnythingV2Config,
)

FAMILY = "depth_anything_v2"
MODELS = (FAMILY, *PRESETS)
EXPECTED = "Depth Anything V2 as its authors or transformers publish it"

# Every checkpoint holds two modules that inference does not use: the token of masked
# training, and the skip connection of the coarsest map, which has no finer input.
IGNORED = (
    r"pretrained\.mask_token",
    r"depth_head\.scratch\.refinenet4\.resConfUnit1\..*",
)

ORIGINAL = Table(ignored=IGNORED)

_LAYER = r"backbone\.encoder\.layer\.(\d+)"
_QKV = tuple(
    rf"{_LAYER}\.attention\.(?:attention\.{long}|{short})"
    for long, short in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"))
)
TRANSFORMERS = Table(
    ignored=IGNORED,
    renames=(
        Rename(r"backbone\.embeddings\.(cls_token|mask_token)", r"pretrained.\1"),
        Rename(r"backbone\.embeddings\.position_embeddings", r"pretrained.pos_embed"),
        Rename(
            r"backbone\.embeddings\.patch_embeddings\.projection",
            r"pretrained.patch_embed.proj",
        ),
        Rename(rf"{_LAYER}\.(norm[12]|mlp\.fc[12])", r"pretrained.blocks.\1.\2"),
        Rename(_QKV, r"pretrained.blocks.\1.attn.qkv"),
        Rename(
            rf"{_LAYER}\.attention\.(?:output\.dense|o_proj)",
            r"pretrained.blocks.\1.attn.proj",
        ),
        Rename(
            rf"{_LAYER}\.layer_scale([12])\.lambda1", r"pretrained.blocks.\1.ls\2.gamma"
        ),
        Rename(r"backbone\.layernorm", r"pretrained.norm"),
        Rename(
            r"neck\.reassemble_stage\.layers\.(\d)\.projection",
            r"depth_head.projects.\1",
        ),
        Rename(
            r"neck\.reassemble_stage\.layers\.(\d)\.resize",
            r"depth_head.resize_layers.\1",
        ),
        # transformers numbers the layers from 0, and the fusion from the coarsest map.
        *(
            Rename(rf"neck\.convs\.{i}", rf"depth_head.scratch.layer{i + 1}_rn")
            for i in range(4)
        ),
        *(
            Rename(
                rf"neck\.fusion_stage\.layers\.{i}\.{source}",
                rf"depth_head.scratch.refinenet{4 - i}.{target}",
            )
            for i in range(4)
            for source, target in (
                (r"projection", r"out_conv"),
                (r"residual_layer([12])\.convolution([12])", r"resConfUnit\1.conv\2"),
            )
        ),
        Rename(r"head\.conv1", r"depth_head.scratch.output_conv1"),
        Rename(r"head\.conv2", r"depth_head.scratch.output_conv2.0"),
        Rename(r"head\.conv3", r"depth_head.scratch.output_conv2.2"),
    ),
)


def detect(checkpoint: Checkpoint) -> DetectedModel | None:
    """Returns the model that `checkpoint` holds; None if it is of another family.

    Raises:
      InputError: the variant is unsupported, or a tensor that gives sizes is missing.
    """
    names = checkpoint.tensors.shapes
    if _any(names, "pretrained.") and _any(names, "depth_head."):
        table = ORIGINAL
    elif _any(names, "backbone.embeddings.") and _any(names, "neck.fusion_stage."):
        table = TRANSFORMERS
    else:
        return None
    check_relative(checkpoint, "Depth-Anything-V2-Small, Base or Large")
    config = DepthAnythingV2Config(**read_sizes(checkpoint, table, head="depth_head"))
    part = preset_name(config, PRESETS, FAMILY)
    return DetectedModel.of(part, DepthAnythingV2, config, table)


def _any(names: dict[str, Any], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def check_relative(checkpoint: Checkpoint, expected: str) -> None:
    """Raises InputError if the model estimates metric instead of relative depth.

    Args:
      expected: the names of the relative models, for the error.
    """
    metric = checkpoint.config.get("depth_estimation_type") == "metric"
    if metric or "metric" in checkpoint.file:
        raise InputError(
            f"{checkpoint.label}: a metric model, whose depth grows with distance; "
            f"expected a relative one ({expected})"
        )


def read_sizes(checkpoint: Checkpoint, table: Table, *, head: str) -> dict[str, Any]:
    """Returns the fields of the network's config, read from the tensors' shapes.

    Sizes that no shape determines come from config.json, else from the published models
    of the same depth.

    Args:
      head: the name of the DPT head in the authors' layout.

    Raises:
      InputError: a tensor that gives sizes is missing, or nothing gives the taps.
    """
    tensors = checkpoint.tensors.shapes
    shapes = {m.target: tensors[m.source] for m in map_tensors(tensors, table)}

    def shape(name: str, axes: int = 4) -> tuple[int, ...]:
        return shape_of(name, shapes, label=checkpoint.label, axes=axes)

    dim, _, patch, _ = shape("pretrained.patch_embed.proj.weight")
    blocks = (re.match(r"pretrained\.blocks\.(\d+)\.", name) for name in shapes)
    depth = 1 + max((int(match[1]) for match in blocks if match), default=-1)
    backbone = checkpoint.config.get("backbone_config") or {}
    return dict(
        dim=dim,
        depth=depth,
        heads=backbone.get("num_attention_heads") or dim // 64,
        taps=_taps(backbone, depth, checkpoint.label),
        features=shape(f"{head}.scratch.layer1_rn.weight")[0],
        out_channels=tuple(shape(f"{head}.projects.{i}.weight")[0] for i in range(4)),
        last=shape(f"{head}.scratch.output_conv2.0.weight")[0],
        patch=patch,
        grid=math.isqrt(shape("pretrained.pos_embed", 3)[1] - 1),
    )


def _taps(backbone: dict[str, Any], depth: int, label: str) -> tuple[int, ...]:
    """Returns the transformer blocks whose outputs the head uses, counted from 0."""
    stages = backbone.get("out_indices") or [
        int(name.removeprefix("stage")) for name in backbone.get("out_features") or ()
    ]
    if len(stages) == 4:  # counted from 1: stage 0 is the patch embedding
        return tuple(stage - 1 for stage in stages)
    for preset in PRESETS.values():
        if preset.depth == depth:
            return preset.taps
    raise InputError(
        f"{label}: {depth} transformer blocks and no config.json that says which of "
        "their outputs the head uses; the published models have 12 or 24 blocks"
    )

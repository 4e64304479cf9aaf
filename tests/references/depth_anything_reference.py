"""transformers' Depth Anything, small and with random weights."""

from pathlib import Path

import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
)

GRID, PATCH = 5, 14


def tiny(
    seed: int = 0, maps: tuple[int, ...] = (8, 12, 16, 16), fused: int = 16
) -> DepthAnythingForDepthEstimation:
    """Returns a network with random weights whose depth is not clipped at zero.

    `maps` are the channels at the four depths, `fused` those after the fusion.
    """
    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=5,
        num_attention_heads=2,
        image_size=GRID * PATCH,
        patch_size=PATCH,
        out_indices=[1, 2, 4, 5],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=list(maps),
        fusion_hidden_size=fused,
        head_in_channels=16,
        head_hidden_size=8,
    )
    return liven(DepthAnythingForDepthEstimation(config), seed)


@torch.no_grad()
def liven(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Randomizes all weights, and sets the last bias so that no depth is clipped."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            weight.copy_(1 + 0.3 * noise)
        elif name.endswith("lambda1"):
            weight.copy_(0.5 + 0.2 * noise)
        elif weight.ndim > 1 and "embeddings" not in name.split(".")[-1]:
            fan_in = weight[0].numel() if "token" not in name else 1
            weight.copy_(noise * (1.4 / fan_in**0.5))
        else:
            weight.copy_(0.5 * noise)
    model.eval()
    # The last layer clips at zero: shift depth well above it.
    x = torch.randn(4, 3, GRID * PATCH, GRID * PATCH, generator=generator)
    model.head.conv3.bias += 1000
    depth = model(x).predicted_depth
    model.head.conv3.bias -= depth.min() - 2 * depth.std()
    return model


def save(model: torch.nn.Module, folder: Path, **options) -> Path:
    """Saves the model in the hub's format; returns the folder."""
    model.save_pretrained(folder, **options)
    assert (folder / "config.json").is_file()
    return folder


def original(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns the tensors in the authors' layout, without the converter's table."""
    out = {}
    head = "depth_head.scratch."
    for name, tensor in state.items():
        part = name.split(".")
        leaf = part[-1]
        if name.startswith("backbone.embeddings."):
            tail = {
                "cls_token": "cls_token",
                "mask_token": "mask_token",
                "position_embeddings": "pos_embed",
            }.get(part[2], f"patch_embed.proj.{leaf}")
            out[f"pretrained.{tail}"] = tensor
        elif name.startswith("backbone.layernorm."):
            out[f"pretrained.norm.{leaf}"] = tensor
        elif name.startswith("backbone.encoder.layer."):
            block = f"pretrained.blocks.{part[3]}."
            if part[4] == "attention" and part[-2] in ("query", "key", "value"):
                index = ("query", "key", "value").index(part[-2])
                qkv = out.setdefault(
                    f"{block}attn.qkv.{leaf}",
                    torch.full((3 * len(tensor), *tensor.shape[1:]), torch.nan),
                )
                qkv[index * len(tensor) : (index + 1) * len(tensor)] = tensor
            elif part[4] == "attention":
                out[f"{block}attn.proj.{leaf}"] = tensor
            elif part[4].startswith("layer_scale"):
                out[f"{block}ls{part[4][-1]}.gamma"] = tensor
            else:
                out[block + ".".join(part[4:])] = tensor
        elif name.startswith("neck.reassemble_stage."):
            kind = {"projection": "projects", "resize": "resize_layers"}[part[4]]
            out[f"depth_head.{kind}.{part[3]}.{leaf}"] = tensor
        elif name.startswith("neck.convs."):
            out[f"{head}layer{int(part[2]) + 1}_rn.{leaf}"] = tensor
        elif name.startswith("neck.fusion_stage."):
            net = f"{head}refinenet{4 - int(part[3])}."
            if part[4] == "projection":
                out[f"{net}out_conv.{leaf}"] = tensor
            else:
                unit = f"resConfUnit{part[4][-1]}.conv{part[5][-1]}"
                out[f"{net}{unit}.{leaf}"] = tensor
        else:
            number = {"conv1": "1", "conv2": "2.0", "conv3": "2.2"}[part[1]]
            out[f"{head}output_conv{number}.{leaf}"] = tensor
    assert not any(tensor.isnan().any() for tensor in out.values())
    return out

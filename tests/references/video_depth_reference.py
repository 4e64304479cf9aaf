"""Video Depth Anything from transformers and diffusers, small, random weights.

The encoder and DPT are transformers' Depth Anything; the temporal modules are those of
diffusers' AnimateDiff, with a norm within each frame.
"""

from pathlib import Path

import depth_anything_reference as depth_anything
import torch
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

MAPS, FUSED = (8, 12, 64, 96), 64
FRAMES, HEADS = 32, 8


class FrameNorm(torch.nn.GroupNorm):
    """A group norm of (b, c, t, h, w) within each frame."""

    def forward(self, x):
        b, c, t, h, w = x.shape
        frames = x.transpose(1, 2).reshape(b * t, c, h, w)
        return super().forward(frames).reshape(b, t, c, h, w).transpose(1, 2)


def temporal(features: int, seed: int) -> AnimateDiffTransformer3D:
    """Returns a temporal module with random weights."""
    module = AnimateDiffTransformer3D(
        num_attention_heads=HEADS,
        attention_head_dim=features // HEADS,
        in_channels=features,
        double_self_attention=True,
        positional_embeddings="sinusoidal",
        num_positional_embeddings=FRAMES,
    )
    module.norm = FrameNorm(32, features, eps=1e-6)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                weight.copy_(1 + 0.3 * noise)
            elif weight.ndim > 1:
                weight.copy_(noise * (1.4 / weight.shape[1] ** 0.5))
            else:
                weight.copy_(0.3 * noise)
    return module.eval()


class VideoDepthAnything(torch.nn.Module):
    """Depth Anything (`still`) with temporal modules in its head."""

    def __init__(self, seed: int = 0):
        super().__init__()
        self.still = depth_anything.tiny(seed, MAPS, FUSED)
        widths = (*MAPS[2:], FUSED, FUSED)
        self.temporal = torch.nn.ModuleList(
            temporal(width, 10 * seed + i) for i, width in enumerate(widths)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the depth (t, h, w) of one window's frames (t, 3, h, w)."""
        t, _, height, width = x.shape
        rows, columns = (side // depth_anything.PATCH for side in (height, width))
        neck = self.still.neck
        states = self.still.backbone(x).feature_maps
        maps = neck.reassemble_stage(states, rows, columns)
        for i in (2, 3):
            maps[i] = self.temporal[i - 2](maps[i], num_frames=t)
        x1, x2, x3, x4 = (conv(m) for conv, m in zip(neck.convs, maps, strict=True))
        fuse = neck.fusion_stage.layers
        path = fuse[0](x4, size=x3.shape[2:])
        path = self.temporal[2](path, num_frames=t)
        path = fuse[1](path, x3, size=x2.shape[2:])
        path = self.temporal[3](path, num_frames=t)
        path = fuse[2](path, x2, size=x1.shape[2:])
        path = fuse[3](path, x1)
        return self.still.head([path], rows, columns)


@torch.no_grad()
def tiny(seed: int = 0) -> VideoDepthAnything:
    """Returns a network whose depth is not clipped at zero."""
    model = VideoDepthAnything(seed).eval()
    side = depth_anything.GRID * depth_anything.PATCH
    x = torch.randn(6, 3, side, side, generator=torch.Generator().manual_seed(seed))
    model.still.head.conv3.bias += 1000
    depth = model(x)
    model.still.head.conv3.bias -= depth.min() - 2 * depth.std()
    return model


def original(model: VideoDepthAnything) -> dict[str, torch.Tensor]:
    """Returns the tensors in the authors' layout, without the converter's table."""
    saved = {}
    for name, tensor in model.still.state_dict().items():
        for loaded, saved_name in (
            ("attention.q_proj", "attention.attention.query"),
            ("attention.k_proj", "attention.attention.key"),
            ("attention.v_proj", "attention.attention.value"),
            ("attention.o_proj", "attention.output.dense"),
        ):
            name = name.replace(loaded, saved_name)
        saved[name] = tensor
    still = depth_anything.original(saved)
    out = {name.replace("depth_head.", "head."): x for name, x in still.items()}
    for i, module in enumerate(model.temporal):
        for name, tensor in module.state_dict().items():
            prefix = f"head.motion_modules.{i}.temporal_transformer."
            block = "transformer_blocks.0."
            renamed = name
            for old, new in (
                (f"{block}attn1.", f"{block}attention_blocks.0."),
                (f"{block}attn2.", f"{block}attention_blocks.1."),
                (f"{block}norm1.", f"{block}norms.0."),
                (f"{block}norm2.", f"{block}norms.1."),
                (f"{block}norm3.", f"{block}ff_norm."),
            ):
                renamed = renamed.replace(old, new)
            if name.endswith("pos_embed.pe"):
                for j in range(2):
                    buffer = f"{prefix}{block}attention_blocks.{j}.pos_encoder.pe"
                    out[buffer] = tensor.clone()
            else:
                out[prefix + renamed] = tensor
    return out


def save(model: VideoDepthAnything, folder: Path) -> Path:
    """Saves a .pth and a config.json with the sizes that shapes do not determine."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(original(model), folder / "video_depth_anything_vitx.pth")
    config = model.still.config.backbone_config
    config.to_json_file(folder / "backbone.json")
    text = (folder / "backbone.json").read_text()
    (folder / "backbone.json").unlink()
    (folder / "config.json").write_text(f'{{"backbone_config": {text}}}')
    return folder

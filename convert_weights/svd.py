"""The networks of Stable Video Diffusion, StereoCrafter and DepthCrafter.

Attribute names here are those of diffusers and transformers, so hardly anything is
renamed; what has to be seen to is that the config stands for what is built here.
"""

import dataclasses
from typing import Any

from convert_weights.detected_model import Part
from convert_weights.published_config import Settings
from convert_weights.sources import Checkpoint
from convert_weights.table import Rename, Table
from stereojax.cli import InputError
from stereojax.svd.clip import CLIPVisionConfig, CLIPVisionModelWithProjection
from stereojax.svd.networks import with_mask_channel
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder, VAEConfig
from stereojax.weights.names import State

UNETS = ("svd/unet", "stereocrafter/unet", "depthcrafter/unet")
WITH_MASK_CHANNEL = "stereocrafter_init/unet"
MODELS = (*UNETS, WITH_MASK_CHANNEL, "svd/vae", "svd/image_encoder")
EXPECTED = (
    "the U-Net, VAE or image encoder of Stable Video Diffusion, StereoCrafter or "
    "DepthCrafter in diffusers' layout"
)

UNET = Table()
VAE = Table(
    # As diffusers named them before 0.17.
    renames=tuple(
        Rename(
            rf"(.*)\.mid_block\.attentions\.0\.{old}",
            rf"\1.mid_block.attentions.0.{new}",
        )
        for old, new in (
            ("query", "to_q"),
            ("key", "to_k"),
            ("value", "to_v"),
            ("proj_attn", r"to_out.0"),
        )
    )
)
IMAGE_ENCODER = Table(unused=(r"vision_model\.embeddings\.position_ids",))


def detect(checkpoint: Checkpoint) -> Part | None:
    """The part that `checkpoint` holds; None if it is of another family.

    Raises:
      InputError: a variant that is not supported, or one without what gives its sizes.
    """
    names = checkpoint.tensors.shapes
    if "add_embedding.linear_1.weight" in names and any(
        ".temporal_transformer_blocks." in name for name in names
    ):
        return _unet(checkpoint)
    if "decoder.time_conv_out.weight" in names:
        return _vae(checkpoint)
    if "vision_model.embeddings.class_embedding" in names and (
        "visual_projection.weight" in names
    ):
        return _image_encoder(checkpoint)
    return None


def component(config: dict[str, Any]) -> str | None:
    """Which part of a pipeline has this config.json: "unet", "vae", "image_encoder"."""
    name = str(config.get("_class_name") or (config.get("architectures") or [""])[0])
    for known, part in (
        ("UNetSpatioTemporalConditionModel", "unet"),
        ("AutoencoderKLTemporalDecoder", "vae"),
        ("CLIPVisionModelWithProjection", "image_encoder"),
    ):
        if known in name:  # DepthCrafter's class has the name of diffusers' in it
            return part
    return None


def _unet(checkpoint: Checkpoint) -> Part:
    settings = Settings(checkpoint)
    widths = settings.sequence("block_out_channels", (320, 640, 1280, 1280))
    levels = len(widths)
    for name, kind, last in (
        ("down_block_types", "DownBlockSpatioTemporal", -1),
        ("up_block_types", "UpBlockSpatioTemporal", 0),
    ):
        types = ["CrossAttn" + kind] * levels
        types[last] = kind
        settings.must_be(name, types)
    settings.must_be("transformer_layers_per_block", 1)
    time_ids = settings.number("addition_time_embed_dim", 256)
    settings.must_be("projection_class_embeddings_input_dim", 3 * time_ids)
    config = UNetConfig(
        in_channels=settings.number("in_channels", 8),
        out_channels=settings.number("out_channels", 4),
        block_out_channels=widths,
        layers_per_block=settings.number("layers_per_block", 2),
        num_attention_heads=settings.sequence(
            "num_attention_heads", (5, 10, 20, 20), length=levels
        ),
        cross_attention_dim=settings.number("cross_attention_dim", 1024),
        addition_time_embed_dim=time_ids,
        num_frames=settings.number("num_frames", 25),
    )
    if config.in_channels not in (8, 9):
        raise InputError(
            f"{checkpoint.label}: a U-Net with {config.in_channels} input channels; "
            "expected 8 (SVD, DepthCrafter) or 9 (StereoCrafter)"
        )
    if config.in_channels == 9:
        name, also = "stereocrafter/unet", (WITH_MASK_CHANNEL,)
    else:  # the same but for the name
        about = f"{checkpoint.label} {checkpoint.config.get('_class_name')}".lower()
        names = ["svd/unet", "depthcrafter/unet"]
        name, *also = reversed(names) if "depthcrafter" in about else names
    return _part(name, UNET, UNetSpatioTemporalConditionModel, config, tuple(also))


def _vae(checkpoint: Checkpoint) -> Part:
    settings = Settings(checkpoint)
    widths = settings.sequence("block_out_channels", (128, 256, 512, 512))
    settings.must_be("down_block_types", ["DownEncoderBlock2D"] * len(widths))
    settings.must_be("in_channels", 3)
    settings.must_be("out_channels", 3)
    config = VAEConfig(
        latent_channels=settings.number("latent_channels", 4),
        block_out_channels=widths,
        layers_per_block=settings.number("layers_per_block", 2),
        scaling_factor=settings.number("scaling_factor", 0.18215),
    )
    return _part("svd/vae", VAE, AutoencoderKLTemporalDecoder, config)


def _image_encoder(checkpoint: Checkpoint) -> Part:
    settings = Settings(checkpoint)
    # transformers leaves out what is as it is by default: these are its defaults.
    settings.must_be("hidden_act", "gelu", default="quick_gelu")
    settings.must_be("layer_norm_eps", 1e-5)
    settings.must_be("num_channels", 3)
    config = CLIPVisionConfig(
        hidden_size=settings.number("hidden_size", 768),
        intermediate_size=settings.number("intermediate_size", 3072),
        num_hidden_layers=settings.number("num_hidden_layers", 12),
        num_attention_heads=settings.number("num_attention_heads", 12),
        image_size=settings.number("image_size", 224),
        patch_size=settings.number("patch_size", 32),
        projection_dim=settings.number("projection_dim", 512),
    )
    return _part(
        "svd/image_encoder", IMAGE_ENCODER, CLIPVisionModelWithProjection, config
    )


def _part(
    name: str, table: Table, network: type, config: Any, also: tuple[str, ...] = ()
) -> Part:
    return Part(
        name,
        dataclasses.asdict(config),
        table,
        lambda rngs: network(config, rngs=rngs),
        also,
    )


def masked_part(part: Part) -> Part:
    """Returns the description of `part`, an 8-channel U-Net, with a mask channel.

    Raises:
      InputError: the part is none.
    """
    if part.name not in UNETS or part.sizes["in_channels"] != 8:
        raise InputError(
            f"--init_mask_channel: needs a U-Net with 8 input channels, not {part.name}"
        )
    config = UNetConfig.from_dict({**part.sizes, "in_channels": 9})
    return _part(WITH_MASK_CHANNEL, UNET, UNetSpatioTemporalConditionModel, config)


def add_mask_channel(state: State) -> None:
    """Adds a ninth input channel of zeros to `state`, an 8-channel U-Net."""
    state["conv_in"]["kernel"] = with_mask_channel(state["conv_in"]["kernel"])

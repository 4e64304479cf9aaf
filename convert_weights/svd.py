"""Converts the networks of Stable Video Diffusion, StereoCrafter and DepthCrafter.

The networks have the attribute names of diffusers and transformers, so the tables are
almost empty. The published configs are checked: settings that the networks do not
support are refused.
"""

from typing import Any

from convert_weights.detected_model import DetectedModel
from convert_weights.engine import Rename, Table
from convert_weights.published_config import PublishedConfig
from convert_weights.sources import Checkpoint
from stereojax.cli import InputError
from stereojax.svd import networks
from stereojax.svd.clip import CLIPVisionConfig, CLIPVisionModelWithProjection
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
    # The names of diffusers before 0.17.
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
IMAGE_ENCODER = Table(ignored=(r"vision_model\.embeddings\.position_ids",))


def detect(checkpoint: Checkpoint) -> DetectedModel | None:
    """Returns the model that `checkpoint` holds; None if it is of another family.

    Raises:
      InputError: the variant is unsupported, or config.json is missing.
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


def component_of(config: dict[str, Any]) -> str | None:
    """Returns the component of a pipeline that has this config.json.

    It is "unet", "vae" or "image_encoder"; None for any other network.
    """
    name = str(config.get("_class_name") or (config.get("architectures") or [""])[0])
    for known, component in (
        ("UNetSpatioTemporalConditionModel", "unet"),
        ("AutoencoderKLTemporalDecoder", "vae"),
        ("CLIPVisionModelWithProjection", "image_encoder"),
    ):
        if known in name:  # the name of DepthCrafter's class contains diffusers' name
            return component
    return None


def _unet(checkpoint: Checkpoint) -> DetectedModel:
    published = PublishedConfig(checkpoint)
    widths = published.sequence("block_out_channels", (320, 640, 1280, 1280))
    levels = len(widths)
    for name, kind, last in (
        ("down_block_types", "DownBlockSpatioTemporal", -1),
        ("up_block_types", "UpBlockSpatioTemporal", 0),
    ):
        types = ["CrossAttn" + kind] * levels
        types[last] = kind
        published.must_be(name, types)
    published.must_be("transformer_layers_per_block", 1)
    time_ids = published.number("addition_time_embed_dim", 256)
    published.must_be("projection_class_embeddings_input_dim", 3 * time_ids)
    config = UNetConfig(
        in_channels=published.number("in_channels", 8),
        out_channels=published.number("out_channels", 4),
        block_out_channels=widths,
        layers_per_block=published.number("layers_per_block", 2),
        num_attention_heads=published.sequence(
            "num_attention_heads", (5, 10, 20, 20), length=levels
        ),
        cross_attention_dim=published.number("cross_attention_dim", 1024),
        addition_time_embed_dim=time_ids,
        num_frames=published.number("num_frames", 25),
    )
    if config.in_channels not in (8, 9):
        raise InputError(
            f"{checkpoint.label}: a U-Net with {config.in_channels} input channels; "
            "expected 8 (SVD, DepthCrafter) or 9 (StereoCrafter)"
        )
    if config.in_channels == 9:
        part, alternatives = "stereocrafter/unet", (WITH_MASK_CHANNEL,)
    else:  # only names distinguish SVD's U-Net from DepthCrafter's
        names = f"{checkpoint.label} {checkpoint.config.get('_class_name')}".lower()
        parts = ["svd/unet", "depthcrafter/unet"]
        part, *alternatives = reversed(parts) if "depthcrafter" in names else parts
    return DetectedModel.of(
        part,
        UNetSpatioTemporalConditionModel,
        config,
        UNET,
        alternatives=tuple(alternatives),
    )


def _vae(checkpoint: Checkpoint) -> DetectedModel:
    published = PublishedConfig(checkpoint)
    widths = published.sequence("block_out_channels", (128, 256, 512, 512))
    published.must_be("down_block_types", ["DownEncoderBlock2D"] * len(widths))
    published.must_be("in_channels", 3)
    published.must_be("out_channels", 3)
    config = VAEConfig(
        latent_channels=published.number("latent_channels", 4),
        block_out_channels=widths,
        layers_per_block=published.number("layers_per_block", 2),
        scaling_factor=published.number("scaling_factor", 0.18215),
    )
    return DetectedModel.of("svd/vae", AutoencoderKLTemporalDecoder, config, VAE)


def _image_encoder(checkpoint: Checkpoint) -> DetectedModel:
    published = PublishedConfig(checkpoint)
    # transformers omits settings that have its default values, which are used here.
    published.must_be("hidden_act", "gelu", default="quick_gelu")
    published.must_be("layer_norm_eps", 1e-5)
    published.must_be("num_channels", 3)
    config = CLIPVisionConfig(
        hidden_size=published.number("hidden_size", 768),
        intermediate_size=published.number("intermediate_size", 3072),
        num_hidden_layers=published.number("num_hidden_layers", 12),
        num_attention_heads=published.number("num_attention_heads", 12),
        image_size=published.number("image_size", 224),
        patch_size=published.number("patch_size", 32),
        projection_dim=published.number("projection_dim", 512),
    )
    return DetectedModel.of(
        "svd/image_encoder", CLIPVisionModelWithProjection, config, IMAGE_ENCODER
    )


def with_mask_channel(unet: DetectedModel) -> DetectedModel:
    """Returns the description of an 8-channel U-Net extended by a mask channel.

    Raises:
      InputError: the model is not a U-Net with 8 input channels.
    """
    if unet.part not in UNETS or unet.sizes["in_channels"] != 8:
        raise InputError(
            f"--init_mask_channel: needs a U-Net with 8 input channels, not {unet.part}"
        )
    config = UNetConfig.from_dict({**unet.sizes, "in_channels": 9})
    return DetectedModel.of(
        WITH_MASK_CHANNEL, UNetSpatioTemporalConditionModel, config, UNET
    )


def add_mask_channel(state: State) -> None:
    """Adds a ninth input channel of zeros to the arrays of an 8-channel U-Net."""
    kernel = state["conv_in"]["kernel"]
    state["conv_in"]["kernel"] = networks.with_mask_channel(kernel)

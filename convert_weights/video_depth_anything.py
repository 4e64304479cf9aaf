"""Converts Video Depth Anything from the authors' layout, the only one."""

import re

from convert_weights.depth_anything import check_relative, read_sizes
from convert_weights.detected_model import DetectedModel, preset_name
from convert_weights.engine import Table
from convert_weights.sources import Checkpoint
from stereojax.depth.networks.video_depth_anything import (
    PRESETS,
    VideoDepthAnything,
    VideoDepthAnythingConfig,
)

FAMILY = "video_depth_anything"
MODELS = (FAMILY, *PRESETS)
EXPECTED = "Video Depth Anything as its authors publish it"

# Sinusoidal positional encodings; the network computes them.
_ENCODINGS = r"head\.motion_modules\.\d\..*\.pos_encoder\.pe"
TABLE = Table(
    # The mask token is for masked training only, and the coarsest map has no skip
    # connection.
    ignored=(
        r"pretrained\.mask_token",
        r"head\.scratch\.refinenet4\.resConfUnit1\..*",
        _ENCODINGS,
    )
)


def detect(checkpoint: Checkpoint) -> DetectedModel | None:
    """Returns the model that `checkpoint` holds; None if it is of another family.

    Raises:
      InputError: the variant is unsupported, or a tensor that gives sizes is missing.
    """
    shapes = checkpoint.tensors.shapes
    prefixes = ("pretrained.", "head.motion_modules.")
    if not all(any(name.startswith(prefix) for name in shapes) for prefix in prefixes):
        return None
    check_relative(checkpoint, "Video-Depth-Anything-Small, Base or Large")
    # The window is as long as the table of positional encodings.
    tables = [shape for name, shape in shapes.items() if re.fullmatch(_ENCODINGS, name)]
    frames = {"frames": tables[0][1]} if tables and len(tables[0]) == 3 else {}
    sizes = read_sizes(checkpoint, TABLE, head="head")
    config = VideoDepthAnythingConfig(**sizes, **frames)
    part = preset_name(config, PRESETS, FAMILY)
    return DetectedModel.of(part, VideoDepthAnything, config, TABLE)

"""Video Depth Anything, in the layout of its authors, the only one there is."""

import dataclasses
import re

from convert_weights.depth_anything import refuse_metric, sizes
from convert_weights.detected_model import Part
from convert_weights.sources import Checkpoint
from convert_weights.table import Table
from stereojax.depth.networks.video_depth_anything import (
    PRESETS,
    VideoDepthAnything,
    VideoDepthAnythingConfig,
)

FAMILY = "video_depth_anything"
MODELS = (FAMILY, *PRESETS)
EXPECTED = "Video Depth Anything as its authors publish it"

_PLACES = r"head\.motion_modules\.\d\..*\.pos_encoder\.pe"  # sines: computed here
TABLE = Table(
    # The token of masked training, and the skip of the coarsest map, are never read.
    unused=(
        r"pretrained\.mask_token",
        r"head\.scratch\.refinenet4\.resConfUnit1\..*",
        _PLACES,
    )
)


def detect(checkpoint: Checkpoint) -> Part | None:
    """The part that `checkpoint` holds; None if it is of another family.

    Raises:
      InputError: a variant that is not supported, or one without what gives its sizes.
    """
    shapes = checkpoint.tensors.shapes
    starts = ("pretrained.", "head.motion_modules.")
    if not all(any(name.startswith(start) for name in shapes) for start in starts):
        return None
    refuse_metric(checkpoint, "Video-Depth-Anything-Small, Base or Large")
    # The length of a window is that of the table of places.
    places = [shape for name, shape in shapes.items() if re.fullmatch(_PLACES, name)]
    lengths = {"frames": places[0][1]} if places and len(places[0]) == 3 else {}
    config = VideoDepthAnythingConfig(
        **sizes(checkpoint, TABLE, head="head"), **lengths
    )
    name = next((name for name, preset in PRESETS.items() if preset == config), FAMILY)
    return Part(
        name,
        dataclasses.asdict(config),
        TABLE,
        lambda rngs: VideoDepthAnything(config, rngs=rngs),
    )

"""Converts TCMonoDepth's small network from the authors' layout, the only one."""

import re

from convert_weights.detected_model import DetectedModel, preset_name, shape_of
from convert_weights.engine import Table
from convert_weights.sources import Checkpoint
from stereojax.cli import InputError
from stereojax.depth.networks.tcmonodepth import (
    PRESETS,
    TCMonoDepthConfig,
    TCMonoDepthNetwork,
)

FAMILY = "tcmonodepth"
MODELS = (FAMILY, *PRESETS)
EXPECTED = "TCMonoDepth's small network as its authors publish it"

TABLE = Table(
    ignored=(
        r"encoder\.stage\d\..*",  # the tensors of encoder.features under other names
        r"decoder\.final[23]\..*",  # predictions at coarser sizes, for training only
        r".*\.num_batches_tracked",
    )
)


def detect(checkpoint: Checkpoint) -> DetectedModel | None:
    """Returns the model that `checkpoint` holds; None if it is of another family.

    Raises:
      InputError: the tensors that give the sizes are missing.
    """
    shapes = checkpoint.tensors.shapes
    prefixes = ("encoder.features.0.branch_proj.", "decoder.decoder1.skip_conv.")
    if not all(any(name.startswith(prefix) for name in shapes) for prefix in prefixes):
        return None
    config = _sizes(checkpoint)
    part = preset_name(config, PRESETS, FAMILY)
    return DetectedModel.of(part, TCMonoDepthNetwork, config, TABLE)


def _sizes(checkpoint: Checkpoint) -> TCMonoDepthConfig:
    """Reads the sizes from the shapes: a block with a projection begins a stage."""
    shapes, label = checkpoint.tensors.shapes, checkpoint.label
    matches = [re.match(r"encoder\.features\.(\d+)\.", name) for name in shapes]
    count = 1 + max(int(match[1]) for match in matches if match)

    def width(name: str) -> int:
        return shape_of(name, shapes, label=label)[0]

    def block(i: int, layer: str) -> str:
        return f"encoder.features.{i}.{layer}.weight"

    first = [i for i in range(count) if block(i, "branch_proj.0") in shapes]
    if len(first) != 3:
        raise InputError(f"{label}: an encoder of {len(first)} stages; expected 3")
    projections = (width(block(i, "branch_proj.2")) for i in first)
    mains = (width(block(i, "branch_main.5")) for i in first)
    channels = [p + m for p, m in zip(projections, mains, strict=True)]
    ends = [*first[1:], count]
    return TCMonoDepthConfig(
        channels=(width("encoder.first_conv.0.weight"), *channels),
        blocks=tuple(end - i for i, end in zip(first, ends, strict=True)),
    )

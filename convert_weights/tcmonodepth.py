"""TCMonoDepth's small network, in the layout of its authors, the only one there is."""

import dataclasses
import re

from convert_weights.detected_model import Part
from convert_weights.sources import Checkpoint
from convert_weights.table import Table
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
    unused=(
        r"encoder\.stage\d\..*",  # the tensors of encoder.features under other names
        r"decoder\.final[23]\..*",  # predictions at coarser sizes, for training only
        r".*\.num_batches_tracked",
    )
)


def detect(checkpoint: Checkpoint) -> Part | None:
    """The part that `checkpoint` holds; None if it is of another family.

    Raises:
      InputError: the tensors that give the sizes are missing.
    """
    shapes = checkpoint.tensors.shapes
    starts = ("encoder.features.0.branch_proj.", "decoder.decoder1.skip_conv.")
    if not all(any(name.startswith(start) for name in shapes) for start in starts):
        return None
    config = _sizes(checkpoint)
    name = next((name for name, preset in PRESETS.items() if preset == config), FAMILY)
    return Part(
        name,
        dataclasses.asdict(config),
        TABLE,
        lambda rngs: TCMonoDepthNetwork(config, rngs=rngs),
    )


def _sizes(checkpoint: Checkpoint) -> TCMonoDepthConfig:
    """From the shapes: the blocks with a projection begin the encoder's stages."""
    shapes = checkpoint.tensors.shapes
    found = [re.match(r"encoder\.features\.(\d+)\.", name) for name in shapes]
    count = 1 + max(int(match[1]) for match in found if match)

    def width(name: str) -> int:
        if len(shapes.get(name, ())) != 4:
            raise InputError(
                f"{checkpoint.label}: {name}, which gives the sizes, is "
                f"{f'of shape {shapes[name]}' if name in shapes else 'missing'}"
            )
        return shapes[name][0]

    def block(i: int, layer: str) -> str:
        return f"encoder.features.{i}.{layer}.weight"

    first = [i for i in range(count) if block(i, "branch_proj.0") in shapes]
    if len(first) != 3:
        raise InputError(
            f"{checkpoint.label}: an encoder of {len(first)} stages; expected 3"
        )
    stages = (width(block(i, "branch_proj.2")) for i in first)
    mains = (width(block(i, "branch_main.5")) for i in first)
    channels = [s + m for s, m in zip(stages, mains, strict=True)]
    ends = [*first[1:], count]
    return TCMonoDepthConfig(
        channels=(width("encoder.first_conv.0.weight"), *channels),
        blocks=tuple(end - i for i, end in zip(first, ends, strict=True)),
    )

"""Converts LPIPS on AlexNet: the state dict of `lpips.LPIPS(net="alex")`."""

import re

import numpy as np

from convert_weights.detected_model import DetectedModel
from convert_weights.engine import Rename, Table
from convert_weights.sources import Checkpoint
from stereojax.cli import InputError
from stereojax.metrics.lpips import CHANNELS, LPIPS, PART, SCALE, SHIFT
from stereojax.weights.catalogue import CATALOGUE

MODELS = (PART,)
EXPECTED = "LPIPS(net='alex') of the package lpips"

TABLE = Table(
    # The package numbers the convolutions as torchvision's AlexNet does.
    renames=(
        *(
            Rename(rf"net\.slice{i}\.{number}", f"net.slice{i}")
            for i, number in enumerate((0, 3, 6, 8, 10), 1)
        ),
        Rename(r"lin(\d)\.model\.1", r"lin\1"),  # layer 0 is a dropout
    ),
    # `lins` repeats the layers `lin0` to `lin4`; `detect` checks shift and scale.
    ignored=(r"lins\.\d\.model\.1\.weight", r"scaling_layer\.(shift|scale)"),
)


def detect(checkpoint: Checkpoint) -> DetectedModel | None:
    """Returns the model that `checkpoint` holds; None if it is not LPIPS.

    Raises:
      InputError: LPIPS for another backbone or of another version, or without AlexNet's
        weights.
    """
    shapes = checkpoint.tensors.shapes
    lins = {
        int(match[1]): shape
        for name, shape in shapes.items()
        if (match := re.fullmatch(r"lin(\d)\.model\.\d\.weight", name))
    }
    if not lins:
        return None
    if not any(name.startswith("net.") for name in shapes):
        raise InputError(
            f"{checkpoint.label}: has no AlexNet, only LPIPS's linear layers; expected "
            f"both; run: {CATALOGUE[PART].made_by}"
        )
    channels = tuple(lins[i][1] for i in sorted(lins) if len(lins[i]) == 4)
    if channels != CHANNELS:
        raise InputError(
            f"{checkpoint.label}: the linear layers of LPIPS take {channels} channels; "
            f"expected {CHANNELS}, as with net='alex'"
        )
    for name, expected in (
        ("scaling_layer.shift", SHIFT),
        ("scaling_layer.scale", SCALE),
    ):
        if name in shapes:
            constant = checkpoint.tensors.read(name).ravel()
            if not np.array_equal(constant, np.array(expected, constant.dtype)):
                raise InputError(
                    f"{checkpoint.label}: {name} is {constant.tolist()}; expected "
                    f"{list(expected)}"
                )
    return DetectedModel(PART, {}, TABLE, lambda rngs: LPIPS(rngs=rngs))

"""LPIPS of AlexNet's features: the state dict of `lpips.LPIPS(net="alex")`."""

import re

import numpy as np

from convert_weights.detected_model import Part
from convert_weights.sources import Checkpoint
from convert_weights.table import Rename, Table
from stereojax.cli import InputError
from stereojax.metrics.lpips import CHANNELS, LPIPS, PART, SCALE, SHIFT
from stereojax.weights.catalogue import CATALOGUE

MODELS = (PART,)
EXPECTED = "LPIPS(net='alex') of the package lpips"

TABLE = Table(
    # The convolutions keep their numbers in torchvision's AlexNet.
    renames=(
        *(
            Rename(rf"net\.slice{i}\.{number}", f"net.slice{i}")
            for i, number in enumerate((0, 3, 6, 8, 10), 1)
        ),
        Rename(r"lin(\d)\.model\.1", r"lin\1"),  # 0 is a dropout
    ),
    # The same layers once more, in a list; and constants, which `detect` compares.
    unused=(r"lins\.\d\.model\.1\.weight", r"scaling_layer\.(shift|scale)"),
)


def detect(checkpoint: Checkpoint) -> Part | None:
    """The part that `checkpoint` holds; None if it is of another family.

    Raises:
      InputError: it is of another network or version, or has no network.
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
            f"{checkpoint.label}: only the last layers of LPIPS; expected its network, "
            f"too; run: {CATALOGUE[PART].made_by}"
        )
    found = tuple(lins[i][1] for i in sorted(lins) if len(lins[i]) == 4)
    if found != CHANNELS:
        raise InputError(
            f"{checkpoint.label}: LPIPS of features of {found} channels; expected "
            f"{CHANNELS}, those of net='alex'"
        )
    for name, ours in (("shift", SHIFT), ("scale", SCALE)):
        full = f"scaling_layer.{name}"
        if full in shapes:
            theirs = checkpoint.tensors.read(full).ravel()
            if not np.array_equal(theirs, np.array(ours, theirs.dtype)):
                raise InputError(
                    f"{checkpoint.label}: {full} is {theirs.tolist()}; expected "
                    f"{list(ours)}"
                )
    return Part(PART, {}, TABLE, lambda rngs: LPIPS(rngs=rngs))

"""Compares converted weights with the published ones, by running both networks.

python -m convert_weights.verify --source DIR_OR_REPO --converted DIR

The source is what was converted; the other is a part (WEIGHTS/svd/unet) or the weights
root. The published network is run by diffusers (or transformers) on a CPU, ours beside
it on the same inputs, and the difference is printed stage by stage. Exit code 1 if a
tensor is not the source's, or if a stage differs by over 0.0001 of its largest value.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
from absl import flags
from flax import nnx

from convert_weights import svd
from convert_weights.conversion import DOWNLOADS, detect
from convert_weights.detected_model import Part
from convert_weights.engine import convert_tensors
from convert_weights.pipeline_components import components
from convert_weights.sources import Checkpoint, Folder, open_source, read_checkpoint
from convert_weights.verify.comparison import compare, reference_of
from stereojax import cli, weights
from stereojax.svd.networks import NETWORKS, build
from stereojax.weights.names import State
from stereojax.weights.root import CONFIG

TOLERANCE = 1e-4


def verify(source: str | Path, converted: str | Path) -> None:
    """Prints the differences of every network of `source` that is in `converted`.

    Raises:
      InputError: there is nothing to compare.
      RunError: something differs; the line says what, and where first.
    """
    for package in ("torch", "diffusers", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise cli.InputError(
                f"verify runs the published network and needs {package}; "
                "run: pip install 'stereojax[convert]'"
            )
    converted = Path(converted).expanduser()
    parts = 0
    with open_source(source, converted / DOWNLOADS) as folder:
        for component in components(folder):
            parts += _verify(component, converted)
    if not parts:
        raise cli.InputError(f"--converted={converted}: no part of {source} there")


def _verify(folder: Folder, converted: Path) -> int:
    """The number of parts of `converted` that were compared with `folder`."""
    checkpoint = read_checkpoint(folder)
    part = detect(checkpoint)
    names = (part.name, *part.also)
    if part.name in svd.UNETS and part.sizes["in_channels"] == 8:
        names = (*names, svd.WITH_MASK_CHANNEL)
    found = [
        converted / name for name in names if (converted / name / CONFIG).is_file()
    ]
    if (converted / CONFIG).is_file():
        found = [converted]
    for place in found:
        _verify_part(checkpoint, part, place)
    return len(found)


def _verify_part(checkpoint: Checkpoint, part: Part, place: Path) -> None:
    config, state = weights.load(place)
    name, sizes = config["class"], config["sizes"]
    if name not in NETWORKS:
        raise cli.InputError(f"{place}: {name} cannot be verified")
    print(f"{place}, converted from {config['source']}, beside {checkpoint.label}")
    widened = config["part"] == svd.WITH_MASK_CHANNEL and part.sizes["in_channels"] == 8
    wanted = svd.masked_part(part) if widened else part
    if json.loads(json.dumps(wanted.sizes)) != sizes:
        raise cli.RunError(f"{place}: has sizes {sizes}; the source, {wanted.sizes}")
    wrong = _unequal(checkpoint, part, name, state, widened=widened)
    count = len(checkpoint.tensors.shapes)
    print(f"  tensors equal to the source's: {count - len(wrong)} of {count}")
    if sizes.get("in_channels") == 9:
        print(f"  {_mask_channel(state)}")
    worst, first_bad = 0.0, None
    for stage, error in compare(
        name, sizes, state, lambda: reference_of(name, checkpoint, part.table)
    ):
        good = error <= TOLERANCE  # not if it is NaN
        print(f"  {stage:<40} {error:.1e}{'' if good else '  DIFFERS'}")
        worst = max(worst, error)
        first_bad = first_bad or (None if good else f"{stage} by {error:.1e}")
    if wrong or first_bad:
        tensors = f"{len(wrong)} tensors are not the source's ({', '.join(wrong[:3])})"
        outputs = f"{first_bad} of its largest value" if first_bad else "no output"
        raise cli.RunError(
            f"{place}: differs from {checkpoint.label}: {outputs}"
            + (f"; {tensors}" if wrong else "")
        )
    print(f"  the same: the largest difference is {worst:.1e} of the largest value")


def _unequal(
    checkpoint: Checkpoint, part: Part, name: str, state: State, *, widened: bool
) -> list[str]:
    """Names of the arrays that are not what converting makes of the source."""
    expected = convert_tensors(
        build(name, part.sizes), checkpoint.tensors, part.table, what=part.name
    )
    if widened:
        svd.add_mask_channel(expected)
    arrays, others = (nnx.traversals.flatten_mapping(s) for s in (state, expected))
    return [
        ".".join(map(str, path))
        for path, array in others.items()
        if path not in arrays or not np.array_equal(arrays[path], array)
    ]


def _mask_channel(state: State) -> str:
    largest = np.abs(state["conv_in"]["kernel"][:, :, 8].astype(np.float32)).max()
    if largest == 0:
        return "conv_in's mask channel is all zero: the network does not see the mask"
    return f"conv_in's mask channel is not zero: up to {largest:.3g}"


def _run() -> None:
    if not _SOURCE.value or not _CONVERTED.value:
        raise cli.InputError("--source and --converted: expected one each")
    verify(_SOURCE.value, _CONVERTED.value)


if __name__ == "__main__":
    _SOURCE = flags.DEFINE_string("source", None, "folder, file or hub repository")
    _CONVERTED = flags.DEFINE_string("converted", None, "part, or root of weights")
    cli.main(_run)

"""Verifies converted weights: compares converted and published networks.

python -m convert_weights.verify --source DIR_OR_REPO --converted DIR

--source is the source of the conversion; --converted is the folder of a converted
network (WEIGHTS/svd/unet) or the weights root. diffusers or transformers runs the
published network on a CPU, StereoJAX runs the converted network on the same inputs, and
the relative error of each stage's output is printed. The exit code is 1 if a tensor
differs from the source's, or if an output differs by more than 0.0001 of its largest
value.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
from absl import flags
from flax import nnx

from convert_weights import svd
from convert_weights.conversion import DOWNLOADS, detect
from convert_weights.detected_model import DetectedModel
from convert_weights.engine import convert_tensors
from convert_weights.pipeline_components import network_folders
from convert_weights.sources import Checkpoint, Folder, open_source, read_checkpoint
from convert_weights.verify.comparison import build_reference, compare
from stereojax import cli, weights
from stereojax.svd.networks import NETWORKS, build
from stereojax.weights.names import State
from stereojax.weights.root import CONFIG

TOLERANCE = 1e-4


def verify(source: str | Path, converted: str | Path) -> None:
    """Compares the networks of `source` with those in `converted`; prints the errors.

    Raises:
      InputError: there is nothing to compare.
      RunError: a tensor or an output differs; the line names the first ones.
    """
    for package in ("torch", "diffusers", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise cli.InputError(
                f"verify runs the published network and needs {package}; "
                "run: pip install 'stereojax[convert]'"
            )
    converted = Path(converted).expanduser()
    count = 0
    with open_source(source, converted / DOWNLOADS) as folder:
        for network_folder in network_folders(folder):
            count += _verify(network_folder, converted)
    if not count:
        raise cli.InputError(
            f"--converted={converted}: contains no converted network of {source}"
        )


def _verify(folder: Folder, converted: Path) -> int:
    """Compares the network in `folder` with its conversions; returns their number."""
    checkpoint = read_checkpoint(folder)
    model = detect(checkpoint)
    names = (model.part, *model.alternatives)
    if model.part in svd.UNETS and model.sizes["in_channels"] == 8:
        names = (*names, svd.WITH_MASK_CHANNEL)
    conversions = [
        converted / name for name in names if (converted / name / CONFIG).is_file()
    ]
    if (converted / CONFIG).is_file():
        conversions = [converted]
    for conversion in conversions:
        _verify_conversion(checkpoint, model, conversion)
    return len(conversions)


def _verify_conversion(
    checkpoint: Checkpoint, model: DetectedModel, converted: Path
) -> None:
    config, state = weights.load(converted)
    name, sizes = config["class"], config["sizes"]
    if name not in NETWORKS:
        raise cli.InputError(f"{converted}: {name} cannot be verified")
    print(f"{converted}, converted from {config['source']}, against {checkpoint.label}")
    extended = (
        config["part"] == svd.WITH_MASK_CHANNEL and model.sizes["in_channels"] == 8
    )
    expected = svd.with_mask_channel(model) if extended else model
    if json.loads(json.dumps(expected.sizes)) != sizes:
        raise cli.RunError(
            f"{converted}: sizes are {sizes}; the source has {expected.sizes}"
        )

    # The tensors: some errors do not show in the outputs.
    unequal = _unequal_arrays(checkpoint, model, name, state, extended=extended)
    count = len(checkpoint.tensors.shapes)
    print(f"  tensors equal to the source's: {count - len(unequal)} of {count}")
    if sizes.get("in_channels") == 9:
        print(f"  {_mask_channel(state)}")

    # The outputs, stage by stage.
    largest, first = 0.0, None
    for stage, error in compare(
        name, sizes, state, lambda: build_reference(name, checkpoint, model.table)
    ):
        passed = error <= TOLERANCE  # False if the error is NaN
        print(f"  {stage:<40} {error:.1e}{'' if passed else '  DIFFERS'}")
        largest = max(largest, error)
        first = first or (None if passed else f"{stage} by {error:.1e}")
    if unequal or first:
        names = ", ".join(unequal[:3])
        tensors = f"{len(unequal)} tensors differ from the source's ({names})"
        outputs = f"{first} of its largest value" if first else "all outputs agree"
        raise cli.RunError(
            f"{converted}: differs from {checkpoint.label}: {outputs}"
            + (f"; {tensors}" if unequal else "")
        )
    print(f"  the same: the largest difference is {largest:.1e} of the largest value")


def _unequal_arrays(
    checkpoint: Checkpoint,
    model: DetectedModel,
    name: str,
    state: State,
    *,
    extended: bool,
) -> list[str]:
    """Returns the names of arrays that differ from a new conversion of the source.

    Args:
      name: the class of the network.
      extended: whether a mask channel was added to the source.
    """
    expected = convert_tensors(
        build(name, model.sizes), checkpoint.tensors, model.table, what=model.part
    )
    if extended:
        svd.add_mask_channel(expected)
    arrays = nnx.traversals.flatten_mapping(state)
    return [
        ".".join(map(str, path))
        for path, array in nnx.traversals.flatten_mapping(expected).items()
        if path not in arrays or not np.array_equal(arrays[path], array)
    ]


def _mask_channel(state: State) -> str:
    """Returns a sentence that says whether the U-Net can see the mask."""
    largest = np.abs(state["conv_in"]["kernel"][:, :, 8].astype(np.float32)).max()
    if largest == 0:
        return "conv_in's mask channel is all zero: the network does not see the mask"
    return f"conv_in's mask channel is not zero: up to {largest:.3g}"


def _run() -> None:
    if not _SOURCE.value or not _CONVERTED.value:
        raise cli.InputError("--source and --converted: both are required")
    verify(_SOURCE.value, _CONVERTED.value)


if __name__ == "__main__":
    _SOURCE = flags.DEFINE_string(
        "source", None, "folder, file, web address or hub repository of the weights"
    )
    _CONVERTED = flags.DEFINE_string(
        "converted", None, "folder of the converted network, or weights root"
    )
    cli.main(_run)

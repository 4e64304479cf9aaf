"""Converts checkpoints in PyTorch's layout to networks in a weights root."""

from pathlib import Path

from convert_weights import (
    depth_anything,
    lpips,
    svd,
    tcmonodepth,
    video_depth_anything,
)
from convert_weights.detected_model import DetectedModel
from convert_weights.engine import convert_tensors
from convert_weights.pipeline_components import network_folders
from convert_weights.sources import Checkpoint, Folder, open_source, read_checkpoint
from stereojax.cli import InputError
from stereojax.weights import save
from stereojax.weights.abstract import abstract
from stereojax.weights.catalogue import CATALOGUE

FAMILIES = (depth_anything, video_depth_anything, tcmonodepth, svd, lpips)
MODELS = tuple(name for family in FAMILIES for name in family.MODELS)
DOWNLOADS = ".fetch"  # folder in the weights root


def convert(
    source: str | Path, output: str | Path, *, model: str | None = None
) -> Path:
    """Converts a source that holds one network; returns the converted folder.

    The arguments and errors are those of `convert_all`.
    """
    folders = convert_all(source, output, model=model)
    if len(folders) > 1:
        raise InputError(f"{source}: holds {len(folders)} networks, expected one")
    return folders[0]


def convert_all(
    source: str | Path,
    output: str | Path,
    *,
    model: str | None = None,
    init_mask_channel: bool = False,
) -> list[Path]:
    """Converts the networks at `source`; writes them to the weights root `output`.

    Args:
      source: a folder, a file (.safetensors, .pth, .pt.tar), the web address of a file
        or a hub repository (owner/name). All networks of a pipeline are converted.
      output: the weights root; or the network's own folder, if it ends with the
        network's name, such as svd/unet.
      model: name of the network to convert to; detected by default.
      init_mask_channel: converts only the U-Net, which must have 8 input channels, and
        adds a ninth of zeros.

    Returns:
      The folders of the converted networks.

    Raises:
      InputError: the source is missing, gated or damaged, or is no supported model.
      RunError: the server cannot be reached, or the connection breaks.
    """
    if model is not None and model not in MODELS:
        raise InputError(f"--model={model}: expected one of {', '.join(MODELS)}")
    output = Path(output).expanduser()
    # With a mask channel, only a pipeline's U-Net is converted.
    selected = model or (svd.WITH_MASK_CHANNEL if init_mask_channel else None)
    with open_source(source, output / DOWNLOADS) as folder:
        return [
            convert_folder(
                network_folder, output, model=model, init_mask_channel=init_mask_channel
            )
            for network_folder in network_folders(folder, model=selected)
        ]


def convert_folder(
    folder: Folder, output: Path, *, model: str | None, init_mask_channel: bool = False
) -> Path:
    """Converts the network in an open folder, as `convert` does."""
    checkpoint = read_checkpoint(folder)
    detected = detect(checkpoint)
    part = _part_name(detected, model, checkpoint.label)
    extended = svd.with_mask_channel(detected) if init_mask_channel else None
    network = abstract(detected.build)
    state = convert_tensors(network, checkpoint.tensors, detected.table, what=part)
    if extended:
        svd.add_mask_channel(state)
        detected, part = extended, extended.part
    published = CATALOGUE.get(part)
    config = {
        "part": part,
        "class": type(network).__name__,
        "sizes": detected.sizes,
        "source": checkpoint.label,
        "licence": published.licence if published else "not known; see the source",
    }
    return save(_part_folder(output, part), config, state)


def detect(checkpoint: Checkpoint) -> DetectedModel:
    """Returns the model that a checkpoint holds.

    Raises:
      InputError: no family recognises the checkpoint, or its variant is unsupported.
    """
    for family in FAMILIES:
        if detected := family.detect(checkpoint):
            return detected
    names = sorted(checkpoint.tensors.shapes)
    content = f"its tensors are {', '.join(names[:3])}, ..." if names else "it is empty"
    raise InputError(
        f"{checkpoint.label}: not a model that can be converted ({content}); expected "
        + " or ".join(family.EXPECTED for family in FAMILIES)
    )


def _part_name(detected: DetectedModel, model: str | None, label: str) -> str:
    """Returns the name to convert to: `model`, if it fits the detected network.

    A network of unpublished sizes is detected by its family's name, which is the start
    of the names of the published sizes.
    """
    part = detected.part
    if model is None or part.startswith(model):
        return part
    if model.startswith(part) or model in detected.alternatives:
        return model
    raise InputError(f"{label}: holds {part}, expected {model}")


def _part_folder(output: Path, part: str) -> Path:
    names = tuple(part.split("/"))
    return output if output.parts[-len(names) :] == names else output / part

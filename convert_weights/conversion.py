"""From a checkpoint in torch's layout to a part on disk."""

from pathlib import Path

from convert_weights import (
    depth_anything,
    lpips,
    svd,
    tcmonodepth,
    video_depth_anything,
)
from convert_weights.detected_model import Part
from convert_weights.engine import convert_tensors
from convert_weights.pipeline_components import components
from convert_weights.sources import Checkpoint, Folder, open_source, read_checkpoint
from stereojax.cli import InputError
from stereojax.weights import save
from stereojax.weights.abstract import abstract
from stereojax.weights.catalogue import CATALOGUE

FAMILIES = (depth_anything, video_depth_anything, tcmonodepth, svd, lpips)
MODELS = tuple(name for family in FAMILIES for name in family.MODELS)
DOWNLOADS = ".fetch"


def convert(
    source: str | Path, output: str | Path, *, model: str | None = None
) -> Path:
    """As `convert_all`, of a source that holds one network; returns its folder."""
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
    """Converts the weights at `source` into the weights root `output`.

    Args:
      source: a folder, a file (.safetensors, .pth, .pt.tar), the web address of one or
        a hub repository (owner/name). Of a pipeline, its networks one after the other.
      output: the root; or the folder of the part itself, if it has the part's name.
      model: what the source must be; by default whatever it is found to be.
      init_mask_channel: only the U-Net, of 8 channels, which gets a ninth of zeros.

    Returns:
      The folders of the parts.

    Raises:
      InputError: the source is missing, gated, broken, or no model that is known.
      RunError: the server cannot be reached or breaks off.
    """
    if model is not None and model not in MODELS:
        raise InputError(f"--model={model}: expected one of {', '.join(MODELS)}")
    output = Path(output).expanduser()
    # Of a pipeline only the U-Net then.
    wanted = model or (svd.WITH_MASK_CHANNEL if init_mask_channel else None)
    with open_source(source, output / DOWNLOADS) as folder:
        return [
            convert_folder(
                part, output, model=model, init_mask_channel=init_mask_channel
            )
            for part in components(folder, model=wanted)
        ]


def convert_folder(
    folder: Folder, output: Path, *, model: str | None, init_mask_channel: bool = False
) -> Path:
    """As `convert`, from a folder that is open."""
    checkpoint = read_checkpoint(folder)
    part = detect(checkpoint)
    name = _agreed(part.name, model, checkpoint.label, part.also)
    extended = svd.masked_part(part) if init_mask_channel else None
    network = abstract(part.build)
    state = convert_tensors(network, checkpoint.tensors, part.table, what=name)
    if extended:
        svd.add_mask_channel(state)
        part, name = extended, extended.name
    published = CATALOGUE.get(name)
    config = {
        "part": name,
        "class": type(network).__name__,
        "sizes": part.sizes,
        "source": checkpoint.label,
        "licence": published.licence if published else "not known; see the source",
    }
    return save(_place(output, name), config, state)


def detect(checkpoint: Checkpoint) -> Part:
    """What a checkpoint holds; InputError if that is nothing known."""
    for family in FAMILIES:
        if part := family.detect(checkpoint):
            return part
    names = sorted(checkpoint.tensors.shapes)
    some = f"its tensors are {', '.join(names[:3])}, ..." if names else "it is empty"
    raise InputError(
        f"{checkpoint.label}: not a model that can be converted ({some}); expected "
        + " or ".join(family.EXPECTED for family in FAMILIES)
    )


def _agreed(
    found: str, wanted: str | None, label: str, also: tuple[str, ...] = ()
) -> str:
    """`wanted` if what was found is that, or of its family in sizes of its own."""
    if wanted is None or found == wanted:
        return found
    if wanted.startswith(found) or wanted in also:
        return wanted
    if found.startswith(wanted):
        return found
    raise InputError(f"{label}: holds {found}, expected {wanted}")


def _place(output: Path, name: str) -> Path:
    names = tuple(name.split("/"))
    return output if output.parts[-len(names) :] == names else output / name

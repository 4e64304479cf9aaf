"""Locates parts in the weights root; names the command that converts an absent one."""

import os
import shlex
from pathlib import Path

from stereojax.cli import InputError
from stereojax.storage.locations import Location
from stereojax.weights.catalogue import CATALOGUE

CONFIG = "config.json"  # marks a folder as a part


def weights_root(weights_dir: str | Path | None = None) -> Path:
    """Returns the weights root.

    It is `weights_dir`, else $STEREOJAX_WEIGHTS, else ~/.cache/stereojax/weights.
    """
    folder = weights_dir or os.environ.get("STEREOJAX_WEIGHTS")
    return Path(folder or "~/.cache/stereojax/weights").expanduser()


def find(part: str, *, root: Location | None = None) -> Location | None:
    """Returns the folder of `part`, such as `depth_anything_v2_small`, if it exists."""
    folder = (root or weights_root()) / part
    return folder if (folder / CONFIG).is_file() else None


def require(part: str, *, root: Location | None = None) -> Location:
    """Returns the folder of `part`.

    Raises:
      InputError: the part is absent; the line has the command that converts it.
    """
    root = root or weights_root()
    folder = find(part, root=root)
    if folder is None:
        raise InputError(
            f"weights {part} are not in {root}; {convert_command(part, root)}"
        )
    return folder


def trained_part(folder: Location, *, flag: str) -> Location:
    """Returns the folder of a part: `folder`, or the export of the training run in it.

    Raises:
      InputError: both are absent; the line names the flag `flag`.
    """
    for part in (folder, folder / "weights" / "unet"):
        if (part / CONFIG).is_file():
            return part
    raise InputError(
        f"--{flag}={folder}: no {CONFIG} in it, nor in weights/unet below it; expected "
        "converted weights, or the --workdir of a finished training run"
    )


def convert_command(part: str, root: Location) -> str:
    """Returns an error line's advice: the command that converts `part` to `root`."""
    published = CATALOGUE.get(part)
    source = published.repo if published else "DIR_OR_REPO"
    licence = f" (licence: {published.licence})" if published else ""
    setup = f"{published.made_by} && " if published and published.made_by else ""
    return (
        f"run: {setup}python -m convert_weights --source {source} "
        f"--output {shlex.quote(str(root))}{licence}"
    )


def convert_command_for(folder: Path) -> str:
    """Returns an error line's advice: the command that writes the part at `folder`."""
    for part in CATALOGUE:
        names = tuple(part.split("/"))
        if folder.parts[-len(names) :] == names:
            return convert_command(part, folder.parents[len(names) - 1])
    return convert_command(folder.name, folder.parent)

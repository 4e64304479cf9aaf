"""Where weights lie, and what to type where they do not."""

import os
import shlex
from pathlib import Path

from etils import epath

from stereojax.cli import InputError
from stereojax.weights.catalogue import CATALOGUE

CONFIG = "config.json"  # a folder that has it is a part
Folder = Path | epath.Path  # the second where training reads from a bucket


def weights_root(weights_dir: str | Path | None = None) -> Path:
    """`weights_dir`, else $STEREOJAX_WEIGHTS, else ~/.cache/stereojax/weights."""
    chosen = weights_dir or os.environ.get("STEREOJAX_WEIGHTS")
    return Path(chosen or "~/.cache/stereojax/weights").expanduser()


def find(part: str, *, root: Folder | None = None) -> Folder | None:
    """The folder of `part`, such as `depth_anything_v2_small`, where it is there."""
    folder = (root or weights_root()) / part
    return folder if (folder / CONFIG).is_file() else None


def require(part: str, *, root: Folder | None = None) -> Folder:
    """The folder of `part`.

    Raises:
      InputError: it is not there; one line with the command that puts it there.
    """
    root = root or weights_root()
    folder = find(part, root=root)
    if folder is None:
        raise InputError(f"weights {part} are not in {root}; {command(part, root)}")
    return folder


def trained_part(folder: Folder, *, flag: str) -> Folder:
    """Returns the part at `folder`, or the one that the training run there exported.

    Raises:
      InputError: neither is there; the line names the flag `flag`.
    """
    for place in (folder, folder / "weights" / "unet"):
        if (place / CONFIG).is_file():
            return place
    raise InputError(
        f"--{flag}={folder}: no {CONFIG} in it, nor in weights/unet below it; expected "
        "converted weights, or the --workdir of a finished training run"
    )


def command(part: str, root: Folder) -> str:
    """What the user is to run for `part` to be in `root`."""
    published = CATALOGUE.get(part)
    source = published.repo if published else "DIR_OR_REPO"
    licence = f" (licence: {published.licence})" if published else ""
    before = f"{published.made_by} && " if published and published.made_by else ""
    return (
        f"run: {before}python -m convert_weights --source {source} "
        f"--output {shlex.quote(str(root))}{licence}"
    )


def command_for(folder: Path) -> str:
    """What the user is to run for the part at `folder` to be there."""
    for part in CATALOGUE:
        names = tuple(part.split("/"))
        if folder.parts[-len(names) :] == names:
            return command(part, folder.parents[len(names) - 1])
    return command(folder.name, folder.parent)

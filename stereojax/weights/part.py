"""One part on disk: `config.json` beside an Orbax checkpoint."""

import json
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.storage.atomic import atomic_folder
from stereojax.weights import arrays as checkpoint
from stereojax.weights.names import State, flatten, unflatten
from stereojax.weights.root import CONFIG, command_for

ARRAYS = "arrays"
VERSION = 1  # of the layout and of the converted names


def save(folder: Path, config: dict[str, Any], state: State) -> Path:
    """Writes a part beside `folder`, then renames; a part that was there is replaced.

    `config` says class, sizes, source and licence; dtype, version and digests of the
    arrays and of their files are added.

    Raises:
      InputError: `folder` holds something that is not a part.
    """
    if folder.exists() and not (folder / CONFIG).is_file():
        raise InputError(
            f"{folder}: exists and holds no weights; give another --output"
        )
    arrays = flatten(state)
    config = {
        **config,
        "dtype": "+".join(sorted({str(a.dtype) for a in arrays.values()})),
        "conversion_version": VERSION,
        "digest": checkpoint.digest(arrays),
    }
    with atomic_folder(folder) as part:
        checkpoint.write(part / ARRAYS, arrays)
        config["files_digest"] = checkpoint.files_digest(part / ARRAYS)
        (part / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
    return folder


def load(folder: Path) -> tuple[dict[str, Any], State]:
    """The config and the arrays of a part, as numpy arrays in the types on disk.

    Raises:
      InputError: there is no part, or it is damaged or of another version.
    """
    config = read_config(folder)
    if checkpoint.files_digest(folder / ARRAYS) != config.get("files_digest"):
        raise InputError(
            f"{folder}: damaged, not the files that were written; {command_for(folder)}"
        )
    return config, unflatten(checkpoint.read(folder / ARRAYS))


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a part.

    Raises:
      InputError: there is no part, or it is of another version.
    """
    again = command_for(folder)
    try:
        config = json.loads((folder / CONFIG).read_text())
    except FileNotFoundError:
        raise InputError(f"{folder}: no weights; {again}") from None
    except ValueError as error:
        raise InputError(f"{folder / CONFIG}: not JSON ({error}); {again}") from error
    version = config.get("conversion_version")
    if version != VERSION:
        raise InputError(
            f"{folder}: converted as version {version} where {VERSION} is read; {again}"
        )
    return config


def fingerprint(folder: Path) -> str:
    """What tells these weights from any other."""
    return read_config(folder)["digest"]

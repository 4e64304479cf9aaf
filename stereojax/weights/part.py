"""Saves and loads parts: a folder of `config.json` and an Orbax checkpoint."""

import json
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.storage.atomic import atomic_folder
from stereojax.weights import arrays as checkpoint
from stereojax.weights.names import State, flatten, unflatten
from stereojax.weights.root import CONFIG, convert_command_for

ARRAYS = "arrays"
VERSION = 1  # of the part's layout and of the names of the arrays


def save(folder: Path, config: dict[str, Any], state: State) -> Path:
    """Writes a part atomically; replaces an existing part.

    Args:
      config: class, sizes, source and licence. The dtype, the version and the digests
        of the arrays and of their files are added.

    Raises:
      InputError: `folder` exists and is not a part.
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
    """Returns the config and the NumPy arrays of a part, with their dtypes on disk.

    Raises:
      InputError: the part is absent, damaged or of another version.
    """
    config = read_config(folder)
    if checkpoint.files_digest(folder / ARRAYS) != config.get("files_digest"):
        raise InputError(
            f"{folder}: damaged, not the files that were written; "
            f"{convert_command_for(folder)}"
        )
    return config, unflatten(checkpoint.read(folder / ARRAYS))


def read_config(folder: Path) -> dict[str, Any]:
    """Returns the `config.json` of a part.

    Raises:
      InputError: the part is absent or of another version.
    """
    command = convert_command_for(folder)
    try:
        config = json.loads((folder / CONFIG).read_text())
    except FileNotFoundError:
        raise InputError(f"{folder}: no weights; {command}") from None
    except ValueError as error:
        raise InputError(f"{folder / CONFIG}: not JSON ({error}); {command}") from error
    version = config.get("conversion_version")
    if version != VERSION:
        raise InputError(
            f"{folder}: converted as version {version} where {VERSION} was expected; "
            f"{command}"
        )
    return config


def fingerprint(folder: Path) -> str:
    """Returns a hash that identifies the weights of a part."""
    return read_config(folder)["digest"]

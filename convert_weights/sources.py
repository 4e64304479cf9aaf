"""Opens the source that `--source` names: folder, file, hub repository, web address."""

import contextlib
import dataclasses
import json
import re
from pathlib import Path
from typing import Any, Protocol

from convert_weights.tensors import Safetensors, Tensors
from convert_weights.torch_file import TorchFile
from stereojax.cli import InputError
from stereojax.weights.hub import HubRepo
from stereojax.weights.remote import RemoteFolder, WebFile

TORCH = (".pth", ".pt", ".bin", ".pth.tar", ".pt.tar")
WEIGHTS = (".safetensors", *TORCH)


class Folder(Protocol):
    """A local or remote folder; files of its subfolders are named `subfolder/name`."""

    label: str

    def names(self) -> list[str]: ...

    def get(self, name: str) -> Path: ...


class LocalFolder:
    """A local folder, or a single file of it with the folder's `config.json`."""

    def __init__(self, path: Path):
        self.label = str(path)
        self._folder = path if path.is_dir() else path.parent
        self._only = None if path.is_dir() else {path.name, "config.json"}

    def names(self) -> list[str]:
        folder = self._folder
        files = (p for glob in ("*", "*/*") for p in folder.glob(glob) if p.is_file())
        names = (p.relative_to(folder).as_posix() for p in files)
        return sorted(n for n in names if self._only is None or n in self._only)

    def get(self, name: str) -> Path:
        return self._folder / name


def open_source(
    source: str | Path, downloads: Path
) -> contextlib.AbstractContextManager[Folder]:
    """Returns a context of the source's folder.

    Args:
      downloads: the folder for the files of a remote source.

    Raises:
      InputError: `source` neither exists nor has the form of a repository's name or a
        web address.
    """
    path = Path(source).expanduser()
    if path.exists():
        return contextlib.nullcontext(LocalFolder(path))
    if remote := open_remote(str(source), downloads):
        return remote
    raise InputError(
        f"--source={source}: no such file or folder, and not the name of a hub "
        "repository (owner/name) or the web address of a file (https://...)"
    )


def open_remote(source: str, downloads: Path) -> RemoteFolder | None:
    """Returns the hub repository or web address; None if `source` is neither."""
    if re.match(r"https?://[^/]+/", source):
        return WebFile(source, downloads)
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", source):
        return HubRepo(source, downloads)
    return None


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The tensors of one network, and the config.json of their folder."""

    label: str
    file: str  # name of the weights file, or of the index of its shards
    config: dict[str, Any]  # content of config.json; empty without one
    tensors: Tensors


def read_checkpoint(folder: Folder) -> Checkpoint:
    """Opens the weights in `folder`, without reading a tensor.

    Raises:
      InputError: there are no weights, several weights files, or incomplete ones.
    """
    names = [name for name in folder.names() if "/" not in name]
    name = choose_weights(names, folder.label)
    config = read_json(folder.get("config.json")) if "config.json" in names else {}
    if name.endswith(".json"):
        tensors = Safetensors([folder.get(shard) for shard in _shards(folder, name)])
    elif name.endswith(TORCH):
        tensors = TorchFile(folder.get(name))
    else:
        tensors = Safetensors([folder.get(name)])
    return Checkpoint(folder.label, name, config, tensors)


def choose_weights(names: list[str], label: str) -> str:
    """Returns the weights file, or the index of its shards, among `names`.

    Safetensors are preferred to PyTorch's own files, and a half-precision variant
    (`.fp16.`), which the published pipelines load, to the full one.

    Raises:
      InputError: there are no weights, or several files are equally preferred.
    """
    unsharded = [
        n
        for n in names
        if n.endswith(".safetensors") and not re.search(r"-\d+-of-\d+\.", n)
    ]
    indexes = [n for n in names if re.search(r"\.safetensors\.index(\.\w+)?\.json$", n)]
    torch_files = [n for n in names if n.endswith(TORCH)]
    for candidates in (unsharded, indexes, torch_files):
        half = {n for n in candidates if ".fp16." in n}
        candidates = [n for n in candidates if not half & {*_half_names(n)}]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise InputError(
                f"{label}: several weights files ({', '.join(candidates)}); give one "
                "of them as --source"
            )
    raise InputError(
        f"{label}: contains no weights; expected a file ending in .safetensors, .pth "
        "or .pt.tar"
    )


def _half_names(name: str) -> list[str]:
    """Returns the possible names of the half-precision variant of a file."""
    return [f"{name[:i]}.fp16{name[i:]}" for i, char in enumerate(name) if char == "."]


def _shards(folder: Folder, index: str) -> list[str]:
    path = folder.get(index)
    try:
        return sorted(set(read_json(path)["weight_map"].values()))
    except (KeyError, AttributeError):
        raise InputError(f"{path}: an index without a weight_map") from None


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object; raises InputError if the file holds anything else."""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object")
    return content

"""What `--source` names: a folder, file, hub repository or web address; its content."""

import contextlib
import dataclasses
import json
import re
from pathlib import Path
from typing import Any, Protocol

from convert_weights.tensors import Safetensors, Tensors, TorchFile
from stereojax.cli import InputError
from stereojax.weights.hub import HubRepo
from stereojax.weights.remote import RemoteFolder, WebFile

TORCH = (".pth", ".pt", ".bin", ".pth.tar", ".pt.tar")
WEIGHTS = (".safetensors", *TORCH)


class Folder(Protocol):
    """Files by name, wherever they lie; of folders in it as `folder/name`."""

    label: str

    def names(self) -> list[str]: ...

    def get(self, name: str) -> Path: ...


class LocalFolder:
    """A folder, or one of its files with the folder's `config.json`."""

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
    """The folder that `source` stands for; remote files are fetched to `downloads`.

    Raises:
      InputError: it is neither there nor shaped like a repository's name or an address.
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
    """The hub repository or web address `source`; None if it is shaped like neither."""
    if re.match(r"https?://[^/]+/", source):
        return WebFile(source, downloads)
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", source):
        return HubRepo(source, downloads)
    return None


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The tensors of one network, and the config that lies beside them."""

    label: str
    file: str  # the name of the file of tensors, or of their index
    config: dict[str, Any]  # of config.json; empty where there is none
    tensors: Tensors


def read_checkpoint(folder: Folder) -> Checkpoint:
    """Opens the weights in `folder`; no tensor is read yet.

    Raises:
      InputError: there are none, too many to choose from, or they are not whole.
    """
    names = [name for name in folder.names() if "/" not in name]
    name = choose(names, folder.label)
    config = read_json(folder.get("config.json")) if "config.json" in names else {}
    if name.endswith(".json"):
        tensors = Safetensors([folder.get(shard) for shard in _shards(folder, name)])
    elif name.endswith(TORCH):
        tensors = TorchFile(folder.get(name))
    else:
        tensors = Safetensors([folder.get(name)])
    return Checkpoint(folder.label, name, config, tensors)


def choose(names: list[str], label: str) -> str:
    """The one file of weights, or index of its shards, among `names`.

    Safetensors come before torch's own files; and a variant in half
    precision (`.fp16.`), which the published pipelines load, before the full one.
    """
    whole = [
        n
        for n in names
        if n.endswith(".safetensors") and not re.search(r"-\d+-of-\d+\.", n)
    ]
    indexes = [n for n in names if re.search(r"\.safetensors\.index(\.\w+)?\.json$", n)]
    torch_files = [n for n in names if n.endswith(TORCH)]
    for found in (whole, indexes, torch_files):
        half = {n for n in found if ".fp16." in n}
        found = [n for n in found if not half & {*_half_names(n)}]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"{label}: several files of weights ({', '.join(found)}); give one of "
                "them as --source"
            )
    raise InputError(
        f"{label}: no weights there; expected a file ending in .safetensors, .pth or "
        ".pt.tar"
    )


def _half_names(name: str) -> list[str]:
    """What the half precision variant of a file, or of an index, would be called."""
    return [f"{name[:i]}.fp16{name[i:]}" for i, sign in enumerate(name) if sign == "."]


def _shards(folder: Folder, index: str) -> list[str]:
    path = folder.get(index)
    try:
        return sorted(set(read_json(path)["weight_map"].values()))
    except (KeyError, AttributeError):
        raise InputError(f"{path}: an index without a weight_map") from None


def read_json(path: Path) -> dict[str, Any]:
    """Raises InputError where the file is not JSON, or no object."""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object")
    return content

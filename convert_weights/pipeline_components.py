"""Finds the networks of a source: the folder itself, or a pipeline's subfolders."""

from pathlib import Path

from convert_weights import svd
from convert_weights.sources import WEIGHTS, Folder, read_json
from stereojax.cli import InputError

CONFIG = "config.json"


class SubFolder:
    """A folder in a `Folder`."""

    def __init__(self, parent: Folder, name: str):
        self.label = f"{parent.label}/{name}"
        self._parent, self._prefix = parent, f"{name}/"

    def names(self) -> list[str]:
        start = len(self._prefix)
        names = self._parent.names()
        return [n[start:] for n in names if n.startswith(self._prefix)]

    def get(self, name: str) -> Path:
        return self._parent.get(self._prefix + name)


def network_folders(folder: Folder, *, model: str | None = None) -> list[Folder]:
    """Returns the folders of the networks in `folder`, one for each network.

    A pipeline of diffusers has a folder with a config.json and weights for each of its
    networks. Only the configs are read.

    Args:
      model: returns only the folders of a pipeline that can hold this network.

    Raises:
      InputError: `folder` is a pipeline without a network that can be converted.
    """
    names = folder.names()
    top_files = {n for n in names if "/" not in n}
    subfolders = sorted(
        sub
        for sub, _, file in (n.partition("/") for n in names)
        if file == CONFIG
        and any(n.startswith(f"{sub}/") and n.endswith(WEIGHTS) for n in names)
    )
    is_network = CONFIG in top_files and any(n.endswith(WEIGHTS) for n in top_files)
    if is_network or not subfolders:
        return [folder]
    networks, others = [], []
    for sub in subfolders:
        config = read_json(folder.get(f"{sub}/{CONFIG}"))
        component = svd.component_of(config)
        if component is None:
            others.append(f"{sub} ({config.get('_class_name', 'no class')})")
        elif model is None or model.endswith(f"/{component}"):
            networks.append(SubFolder(folder, sub))
    if not networks:
        content = f"; it holds {', '.join(others)}" if others else ""
        expected = model or "network that can be converted"
        raise InputError(f"{folder.label}: holds no {expected}{content}")
    return networks

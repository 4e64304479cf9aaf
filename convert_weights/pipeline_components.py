"""The networks of a source: itself, or those in the folders of a pipeline."""

from pathlib import Path

from convert_weights import svd
from convert_weights.sources import WEIGHTS, Folder, read_json
from stereojax.cli import InputError

CONFIG = "config.json"


class SubFolder:
    """A folder in a folder."""

    def __init__(self, parent: Folder, name: str):
        self.label = f"{parent.label}/{name}"
        self._parent, self._prefix = parent, f"{name}/"

    def names(self) -> list[str]:
        start = len(self._prefix)
        names = self._parent.names()
        return [n[start:] for n in names if n.startswith(self._prefix)]

    def get(self, name: str) -> Path:
        return self._parent.get(self._prefix + name)


def components(folder: Folder, *, model: str | None = None) -> list[Folder]:
    """The folders of one network each; of those that `model` may be, if it is given.

    A pipeline of diffusers has a folder for each of its networks, with a config.json
    and weights. Only the configs are read here.

    Raises:
      InputError: it is a pipeline, but none of its networks can be converted.
    """
    names = folder.names()
    here = {n for n in names if "/" not in n}
    subfolders = sorted(
        sub
        for sub, _, file in (n.partition("/") for n in names)
        if file == CONFIG
        and any(n.startswith(f"{sub}/") and n.endswith(WEIGHTS) for n in names)
    )
    if not subfolders or (CONFIG in here and any(n.endswith(WEIGHTS) for n in here)):
        return [folder]
    found, others = [], []
    for sub in subfolders:
        config = read_json(folder.get(f"{sub}/{CONFIG}"))
        part = svd.component(config)
        if part is None:
            others.append(f"{sub} ({config.get('_class_name', 'no class')})")
        elif model is None or model.endswith(f"/{part}"):
            found.append(SubFolder(folder, sub))
    if not found:
        held = f"; it holds {', '.join(others)}" if others else ""
        raise InputError(
            f"{folder.label}: holds no {model or 'network that can be converted'}{held}"
        )
    return found

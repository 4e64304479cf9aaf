"""Samples as the loss takes them, on disk: what never trains need see each but once.

A sample of the run is then one of `cached_draws` of its clip, and `make_cache` makes
those that the run will draw before it begins. Runs share a folder; what lies in it
belongs to a key of all that decides a sample.
"""

import dataclasses
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np
from etils import epath

from stereojax.cli import RunError
from stereojax.settings.train import TrainSettings
from stereojax.shapes import Shaped
from stereojax.training.input.sources import data_mark
from stereojax.training.places import Place

# The settings that decide what a sample is.
DECIDE = (
    "task",
    "seed",
    "frames",
    "height",
    "width",
    "min_stride",
    "max_stride",
    "zoom",
    "flip",
    "synthetic_disparity",
    "pooling",
    "dtype",
    "frozen_dtype",
)
FOLDER = 1000  # clips whose samples lie together

Key = tuple[int, int]  # a clip, and which of its draws


@dataclasses.dataclass(frozen=True)
class Cache:
    """One file a sample: NumPy's, with floats as float16."""

    folder: epath.Path
    draws: int  # of a clip

    @classmethod
    def at(
        cls,
        root: Place,
        settings: TrainSettings,
        data: str | None,
        networks: Mapping[str, str],
    ) -> "Cache":
        """The place below `root` of such samples of that data.

        Args:
          networks: what tells the weights that samples are made with from others.
        """
        of = {
            "data": data_mark(data),
            "networks": dict(networks),
            "settings": {name: getattr(settings, name) for name in DECIDE},
        }
        text = json.dumps(of, indent=1, sort_keys=True)
        folder = epath.Path(root) / hashlib.sha256(text.encode()).hexdigest()[:16]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "of.json").exists():
                (folder / "of.json").write_text(text + "\n")
        except OSError as error:
            raise RunError(f"--latents={root}: {error.strerror or error}") from error
        return cls(folder, settings.cached_draws)

    def read(self, key: Key) -> dict[str, np.ndarray]:
        """Raises RunError where it is missing or damaged."""
        path = self._path(key)
        try:
            with np.load(io.BytesIO(path.read_bytes())) as file:
                return dict(file)
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise RunError(
                f"{path}: cannot be read: {error}; delete it, and the same command "
                "makes it anew"
            ) from error

    def write(self, key: Key, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> None:
        """Raises RunError where it cannot be: whole or not at all."""
        path = self._path(key)
        content = io.BytesIO()
        halved = {
            name: x.astype(np.float16) if x.dtype == np.float32 else x
            for name, x in arrays.items()
        }
        np.savez(content, **halved)
        beside = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(exist_ok=True)
            beside.write_bytes(content.getvalue())
            beside.replace(path)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from error

    def keys(self) -> Iterator[Key]:
        """Those that are there."""
        for path in self.folder.glob("*/*.npz"):
            clip, _, draw = path.stem.partition(".")
            yield int(clip), int(draw)

    def _path(self, key: Key) -> epath.Path:
        clip, draw = key
        return self.folder / f"{clip // FOLDER:06}" / f"{clip:09}.{draw}.npz"

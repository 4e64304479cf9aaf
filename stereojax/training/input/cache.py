"""Samples as the loss takes them, on disk: what never trains need see each but once.

A sample of the run is then one of `cached_draws` of its clip, and `make_cache` makes
those that the run will draw before it begins. Runs share a folder; what lies in it
belongs to a key of all that decides a sample.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping

import jax.numpy as jnp
import numpy as np

from stereojax import weights
from stereojax.cli import RunError
from stereojax.settings.train import TrainSettings
from stereojax.shapes import Shaped
from stereojax.storage import locations
from stereojax.storage.locations import Place
from stereojax.training.input.sources import data_mark

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
    "frozen_dtype",
)
VERSION = 1  # of what a sample is: the splat, the mask, the mirror, the renderer
FOLDER = 1000  # clips whose samples lie together

Key = tuple[int, int]  # a clip, and which of its draws


@dataclasses.dataclass(frozen=True)
class Cache:
    """One file a sample: NumPy's, with floats as float16."""

    folder: Place
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
            "version": VERSION,
            "data": data_mark(data),
            "networks": dict(networks),
            "settings": {name: getattr(settings, name) for name in DECIDE}
            | {"dtype": jnp.dtype(weights.compute_dtype(settings.dtype)).name},
        }
        text = json.dumps(of, indent=1, sort_keys=True)
        folder = root / hashlib.sha256(text.encode()).hexdigest()[:16]
        with locations.told(f"--latents={root}"):
            if not (folder / "of.json").exists():
                locations.write(folder / "of.json", f"{text}\n".encode())
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
        with np.errstate(over="ignore"):  # is looked for below
            halved = {
                name: x.astype(np.float16) if x.dtype == np.float32 else x
                for name, x in arrays.items()
            }
        for name, x in halved.items():
            if x.dtype == np.float16 and not np.isfinite(x).all():
                raise RunError(f"{path}: {name} is not finite in float16")
        np.savez(content, **halved)
        with locations.told(f"cannot write {path}"):
            locations.write(path, content.getvalue())

    def keys(self) -> Iterator[Key]:
        """Those that are there."""
        for path in self.folder.glob("*/*.npz"):
            clip, _, draw = path.stem.partition(".")
            yield int(clip), int(draw)

    def _path(self, key: Key) -> Place:
        clip, draw = key
        return self.folder / f"{clip // FOLDER:06}" / f"{clip:09}.{draw}.npz"

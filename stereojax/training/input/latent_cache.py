"""Encoded samples on disk, so that the frozen networks encode each of them only once.

With `cached_draws`, each clip has that many samples, which the run uses repeatedly.
`fill_cache` encodes the samples of a run before its first update. Runs can share a
folder: the name of each subfolder is a hash of everything that a sample depends on.
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
from stereojax.storage.locations import Location
from stereojax.training.input.sources import data_identity

# Settings that an encoded sample depends on.
KEY_SETTINGS = (
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
VERSION = 1  # increase when the splat, the mask, the mirror or the renderer changes
CLIPS_PER_FOLDER = 1000

SampleKey = tuple[int, int]  # (clip, draw): draw number `draw` of a clip


@dataclasses.dataclass(frozen=True)
class LatentCache:
    """A folder with one NumPy file per sample, whose floats are float16."""

    folder: Location
    draws: int  # per clip

    @classmethod
    def open(
        cls,
        root: Location,
        settings: TrainSettings,
        data: str | None,
        networks: Mapping[str, str],
    ) -> "LatentCache":
        """Opens the subfolder of `root` for these settings, data and networks.

        Args:
          networks: the identity of each network that encodes.
        """
        content = {
            "version": VERSION,
            "data": data_identity(data),
            "networks": dict(networks),
            "settings": {name: getattr(settings, name) for name in KEY_SETTINGS}
            | {"dtype": jnp.dtype(weights.compute_dtype(settings.dtype)).name},
        }
        text = json.dumps(content, indent=1, sort_keys=True)
        folder = root / hashlib.sha256(text.encode()).hexdigest()[:16]
        with locations.as_run_error(f"--latents={root}"):
            if not (folder / "of.json").exists():
                locations.write_file(folder / "of.json", f"{text}\n".encode())
        return cls(folder, settings.cached_draws)

    def read(self, key: SampleKey) -> dict[str, np.ndarray]:
        """Returns a sample; raises RunError if the file is absent or damaged."""
        path = self._path(key)
        try:
            with np.load(io.BytesIO(path.read_bytes())) as file:
                return dict(file)
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise RunError(
                f"{path}: cannot be read: {error}; delete it, and the same command "
                "encodes the sample again"
            ) from error

    def write(
        self, key: SampleKey, arrays: Mapping[str, Shaped[np.ndarray, "..."]]
    ) -> None:
        """Writes a sample atomically; raises RunError if it cannot be written."""
        path = self._path(key)
        content = io.BytesIO()
        with np.errstate(over="ignore"):  # overflow is checked below
            halved = {
                name: x.astype(np.float16) if x.dtype == np.float32 else x
                for name, x in arrays.items()
            }
        for name, x in halved.items():
            if x.dtype == np.float16 and not np.isfinite(x).all():
                raise RunError(f"{path}: {name} is not finite in float16")
        np.savez(content, **halved)
        with locations.as_run_error(f"cannot write {path}"):
            locations.write_file(path, content.getvalue())

    def keys(self) -> Iterator[SampleKey]:
        """Yields the keys of the samples on disk."""
        for path in self.folder.glob("*/*.npz"):
            if path.name.startswith("."):  # another process is writing it
                continue
            clip, _, draw = path.stem.partition(".")
            yield int(clip), int(draw)

    def _path(self, key: SampleKey) -> Location:
        clip, draw = key
        folder = self.folder / f"{clip // CLIPS_PER_FOLDER:06}"
        return folder / f"{clip:09}.{draw}.npz"

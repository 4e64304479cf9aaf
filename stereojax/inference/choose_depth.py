"""Which depth a film gets: a file, the model asked for, or the best there is."""

import dataclasses
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from stereojax.cli import InputError, RunError
from stereojax.depth.estimator import Estimator
from stereojax.settings import ModelSettings
from stereojax.settings.run_options import Options
from stereojax.storage.hashing import content_hash

BEST = "video_depth_anything_small"  # of those that are free for any use
DEFAULT = "depth_anything_v2_small"


@dataclasses.dataclass(frozen=True)
class DepthChoice:
    """A depth model, or a file that holds depth already."""

    name: str
    identity: str  # tells its depth from every other: part of the key of what it made
    load: Callable[[], Estimator] | None = None
    path: Path | None = None
    units: str | None = None  # of what lies at `path`; None: as it says itself

    @functools.cached_property
    def estimator(self) -> Estimator:
        """The model in memory; loaded when it is first wanted."""
        return self.load()

    def forget(self) -> None:
        """Lets the model go: its memory is wanted for what comes after depth."""
        self.__dict__.pop("estimator", None)


def choose(
    name: str,
    options: Options,
    model: ModelSettings = ModelSettings(),  # noqa: B008 - frozen
) -> DepthChoice:
    """The depth called `name`, fetched and converted if it has to be.

    `auto` is Video Depth Anything Small where it has been converted, else Depth
    Anything V2 Small where it is or can be fetched, else the prior, with one line that
    says so. `model` says how DepthCrafter samples.

    Raises:
      InputError: a file or a model that was asked for by name is not there.
    """
    if options.depth_path is not None or name == "file":
        return _file(name, options)
    if name == "prior":
        return _prior()
    if name == "depthcrafter":
        return _depthcrafter(options, model)
    if name != "auto":
        return _network(name, options)
    from stereojax.weights import command, find, root

    if find(BEST, root=root(options.weights_dir)):
        return _network(BEST, options)
    try:
        return _network(DEFAULT, options)
    except (InputError, RunError) as error:
        how = command(DEFAULT, root(options.weights_dir))
        why = str(error) if how in str(error) else f"{error}; {how}"
        print(f"depth: the embedded prior (lower is nearer): {why}", file=sys.stderr)
        return _prior()


def _file(name: str, options: Options) -> DepthChoice:
    path, units = options.depth_path, options.depth_units
    if name not in ("auto", "file"):
        raise InputError(f"--depth_model={name} and --depth_path: drop one")
    if path is None:
        raise InputError("--depth_model=file: --depth_path says which file")
    if not path.exists():
        raise InputError(f"--depth_path={path}: no such file or folder")
    identity = f"file {content_hash(path)} {units}"
    return DepthChoice("file", identity, path=path, units=units)


def _prior() -> DepthChoice:
    from stereojax.depth.prior import DepthPrior

    return DepthChoice("prior", "prior", DepthPrior)


def _network(name: str, options: Options) -> DepthChoice:
    from convert_weights.fetch import ensure
    from stereojax.depth.depth_anything import DepthAnything
    from stereojax.depth.tcmonodepth import TCMonoDepth
    from stereojax.depth.video_depth import VideoDepth
    from stereojax.weights import fingerprint, root

    kinds = {"video_": VideoDepth, "tcmonodepth": TCMonoDepth}
    found = (kind for start, kind in kinds.items() if name.startswith(start))
    kind = next(found, DepthAnything)
    folder = ensure(name, root=root(options.weights_dir), offline=options.offline)
    load = functools.partial(kind.load, folder)
    return DepthChoice(name, f"{name} {fingerprint(folder)}", load)


def _depthcrafter(options: Options, model: ModelSettings) -> DepthChoice:
    import jax.numpy as jnp

    from stereojax.depth.depthcrafter import PARTS, DepthCrafter, Sampling
    from stereojax.svd.networks import SVDNetworks
    from stereojax.weights import compute_dtype, fingerprint, read_config, require, root

    where = root(options.weights_dir)
    folders = tuple(require(part, root=where) for part in PARTS)
    sampling = Sampling(
        steps=model.depth_steps,
        guidance=model.depth_guidance,
        window=model.depth_window,
        overlap=model.depth_overlap,
    )
    dtype = jnp.dtype(compute_dtype(model.dtype))
    licence = read_config(folders[0])["licence"]
    marks = " ".join(fingerprint(folder) for folder in folders)

    def load() -> DepthCrafter:
        networks = SVDNetworks.load(folders, jnp.dtype(dtype))
        return DepthCrafter(networks, sampling, licence=licence)

    identity = f"depthcrafter {marks} {sampling} {dtype}"
    return DepthChoice("depthcrafter", identity, load)

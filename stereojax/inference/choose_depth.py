"""Chooses the source of a film's depth: a file, a named model, or the best present."""

import dataclasses
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from stereojax.cli import InputError, RunError
from stereojax.depth.estimator import Estimator
from stereojax.settings import ModelSettings
from stereojax.settings.run_options import RunOptions
from stereojax.storage.hashing import content_hash

BEST = "video_depth_anything_small"  # the best of the freely licensed models
DEFAULT = "depth_anything_v2_small"


@dataclasses.dataclass(frozen=True)
class DepthChoice:
    """A depth model, or a file of depth."""

    name: str
    identity: str  # of model and weights, or of the file: part of the depth file's key
    load: Callable[[], Estimator] | None = None
    path: Path | None = None
    units: str | None = None  # of the depth at `path`; None: as the file says

    @functools.cached_property
    def estimator(self) -> Estimator:
        """The model in memory, loaded at the first access."""
        return self.load()

    def unload(self) -> None:
        """Frees the model's memory for the stages after depth."""
        self.__dict__.pop("estimator", None)


def choose_depth(
    name: str,
    options: RunOptions,
    model: ModelSettings = ModelSettings(),  # noqa: B008 - frozen
) -> DepthChoice:
    """Returns the depth called `name`, downloaded and converted if necessary.

    `auto` is Video Depth Anything Small if it has been converted, else Depth Anything
    V2 Small if it has been converted or can be downloaded, else the prior, after one
    line that names the reason. `model` holds DepthCrafter's sampling settings.

    Raises:
      InputError: a file or a model that was named does not exist.
    """
    if options.depth_path is not None or name == "file":
        return _file(name, options)
    if name == "prior":
        return _prior()
    if name == "depthcrafter":
        return _depthcrafter(options, model)
    if name != "auto":
        return _network(name, options)
    from stereojax.weights import convert_command, find, root

    if find(BEST, root=root(options.weights_dir)):
        return _network(BEST, options)
    try:
        return _network(DEFAULT, options)
    except (InputError, RunError) as error:
        how = convert_command(DEFAULT, root(options.weights_dir))
        why = str(error) if how in str(error) else f"{error}; {how}"
        print(f"depth: the embedded prior (lower is nearer): {why}", file=sys.stderr)
        return _prior()


def _file(name: str, options: RunOptions) -> DepthChoice:
    path, units = options.depth_path, options.depth_units
    if name not in ("auto", "file"):
        raise InputError(f"--depth_model={name} and --depth_path: drop one")
    if path is None:
        raise InputError("--depth_model=file: --depth_path says which file")
    if not path.exists():
        raise InputError(f"--depth_path={path}: no such file or folder")
    identity = f"file {content_hash(path, label='hash of --depth_path')} {units}"
    return DepthChoice("file", identity, path=path, units=units)


def _prior() -> DepthChoice:
    from stereojax.depth.prior import DepthPrior

    return DepthChoice("prior", "prior", DepthPrior)


def _network(name: str, options: RunOptions) -> DepthChoice:
    from convert_weights.fetch import find_or_fetch
    from stereojax.depth.depth_anything import DepthAnything
    from stereojax.depth.tcmonodepth import TCMonoDepth
    from stereojax.depth.video_depth import VideoDepth
    from stereojax.weights import fingerprint, root

    estimators = {"video_": VideoDepth, "tcmonodepth": TCMonoDepth}
    by_prefix = (e for prefix, e in estimators.items() if name.startswith(prefix))
    estimator = next(by_prefix, DepthAnything)
    folder = find_or_fetch(
        name, root=root(options.weights_dir), offline=options.offline
    )
    load = functools.partial(estimator.load, folder)
    return DepthChoice(name, f"{name} {fingerprint(folder)}", load)


def _depthcrafter(options: RunOptions, model: ModelSettings) -> DepthChoice:
    import jax.numpy as jnp

    from stereojax.depth.depthcrafter import PARTS, DepthCrafter, Sampling
    from stereojax.svd.networks import SVDNetworks
    from stereojax.weights import compute_dtype, fingerprint, read_config, require, root

    weights = root(options.weights_dir)
    folders = tuple(require(part, root=weights) for part in PARTS)
    sampling = Sampling(
        steps=model.depth_steps,
        guidance=model.depth_guidance,
        window=model.depth_window,
        overlap=model.depth_overlap,
    )
    dtype = jnp.dtype(compute_dtype(model.dtype))
    licence = read_config(folders[0])["licence"]
    fingerprints = " ".join(fingerprint(folder) for folder in folders)

    def load() -> DepthCrafter:
        networks = SVDNetworks.load(folders, jnp.dtype(dtype))
        return DepthCrafter(networks, sampling, licence=licence)

    identity = f"depthcrafter {fingerprints} {sampling} {dtype}"
    return DepthChoice("depthcrafter", identity, load)

"""A finished run's network: for StereoJAX, and for diffusers."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from convert_weights.diffusers_folder import write_folder
from stereojax import weights
from stereojax.storage import locations
from stereojax.training.sharding import REPEATED, named
from stereojax.training.state import TrainState
from stereojax.weights.names import State, unflatten
from stereojax.weights.root import CONFIG


def export(
    state: TrainState,
    first: Mapping[str, np.ndarray],
    mesh: Mesh,
    workdir: locations.Place,
    *,
    network: str,
    prefix: str,
    sizes: dict[str, Any],
    source: str,
    licence: str,
) -> tuple[locations.Place, locations.Place]:
    """Writes WORKDIR/weights/PREFIX and WORKDIR/diffusers/PREFIX, in float32.

    Every process takes part in gathering and waits for the first one, which writes.

    Args:
      first: what the run began with: of it is all that does not train, as the state may
        hold that with fewer digits.
      network: its class.
      prefix: of its parameters' names, such as "unet".
      source: what the weights say of where they come from.
      licence: of those that the run began with.
    """
    trained, frozen = (
        {name: x for name, x in arrays.items() if name.startswith(f"{prefix}.")}
        for arrays in (state.trainable, {name: first[name] for name in state.frozen})
    )
    trained = jax.jit(lambda x: x, out_shardings=named(mesh, REPEATED))(trained)
    part, folder = workdir / "weights" / prefix, workdir / "diffusers" / prefix
    if jax.process_index() == 0:
        arrays = {
            name: np.asarray(x, np.float32) for name, x in (trained | frozen).items()
        }
        with locations.made(part, last=CONFIG) as part_here:
            config = {"part": prefix, "class": network, "sizes": sizes}
            config |= {"source": source, "licence": licence}
            weights.save(part_here, config, unflatten(arrays, prefix + "."))
        with locations.made(folder, last=CONFIG) as folder_here:
            _write(folder_here, network, sizes, unflatten(arrays, prefix + "."))
    if jax.process_count() > 1:
        # A process that leaves takes the others with it, half-written or not.
        multihost_utils.sync_global_devices("export")
    return part, folder


def _write(folder: Path, network: str, sizes: dict[str, Any], nest: State) -> None:
    # In the place of that of the run before it was prolonged, once it is whole.
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        write_folder(beside, network, sizes, nest)
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)

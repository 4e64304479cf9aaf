"""Exports the trained network: as a StereoJAX part, and as a diffusers folder."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from stereojax import weights
from stereojax.storage import locations
from stereojax.storage.atomic import atomic_folder
from stereojax.training.sharding import REPLICATED, named_shardings
from stereojax.training.state import TrainState
from stereojax.training.task import InitialModel, Task
from stereojax.weights.names import unflatten
from stereojax.weights.root import CONFIG


def export_network(
    state: TrainState,
    initial: InitialModel,
    task: Task,
    mesh: Mesh,
    folder: locations.Location,
    *,
    source: str,
) -> tuple[locations.Location, locations.Location]:
    """Writes FOLDER/weights/PREFIX and FOLDER/diffusers/PREFIX, in float32.

    All processes gather the parameters; process 0 writes and the others wait.

    Args:
      initial: the source of the frozen parameters, because the state may hold them in
        bfloat16.
      source: the origin of the weights, for the part's config.json.

    Returns:
      (part, diffusers folder).
    """
    prefix = f"{task.prefix}."
    trained, frozen = (
        {name: x for name, x in arrays.items() if name.startswith(prefix)}
        for arrays in (
            state.trainable,
            {name: initial.arrays[name] for name in state.frozen},
        )
    )
    replicated = named_shardings(mesh, REPLICATED)
    trained = jax.jit(lambda x: x, out_shardings=replicated)(trained)
    part = folder / "weights" / task.prefix
    diffusers = folder / "diffusers" / task.prefix
    if jax.process_index() == 0:
        config = {
            "part": task.prefix,
            "class": task.network,
            "sizes": initial.sizes,
            "source": source,
            "licence": initial.licence,
        }
        arrays = {
            name: np.asarray(x, np.float32) for name, x in (trained | frozen).items()
        }
        _write(part, diffusers, config, unflatten(arrays, prefix))
    if jax.process_count() > 1:
        # The end of any process ends all of them, also one that is still writing.
        multihost_utils.sync_global_devices("export")
    return part, diffusers


def _write(
    part: locations.Location,
    diffusers: locations.Location,
    config: Mapping[str, Any],
    state: dict[str, Any],
) -> None:
    # Imported lazily, so that importing training loads no converter.
    from convert_weights.diffusers_folder import write_folder

    with locations.staged_write(part, last=CONFIG) as local:
        weights.save(local, dict(config), state)
    with (
        locations.staged_write(diffusers, last=CONFIG) as local,
        atomic_folder(local) as folder,  # replaces the export of a shorter run
    ):
        folder.rmdir()  # write_folder creates it
        write_folder(folder, config["class"], config["sizes"], state)

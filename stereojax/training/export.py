"""A finished run's network: for StereoJAX, and for diffusers."""

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from convert_weights.diffusers_folder import write_folder
from stereojax import weights
from stereojax.training.parameters import nested
from stereojax.training.sharding import REPEATED, named
from stereojax.training.state import TrainState


def export(
    state: TrainState,
    mesh: Mesh,
    workdir: Path,
    *,
    network: str,
    prefix: str,
    sizes: dict[str, Any],
    source: str,
) -> tuple[Path, Path]:
    """Writes WORKDIR/weights/PREFIX and WORKDIR/diffusers/PREFIX, in float32.

    Every process takes part in gathering; the first one writes.

    Args:
      network: its class.
      prefix: of its parameters' names, such as "unet".
      source: what the weights say of where they come from.
    """
    ours = {
        name: x
        for name, x in (state.trainable | state.frozen).items()
        if name.startswith(f"{prefix}.")
    }
    whole = jax.jit(lambda x: x, out_shardings=named(mesh, REPEATED))(ours)
    part, folder = workdir / "weights" / prefix, workdir / "diffusers" / prefix
    if jax.process_index():
        return part, folder
    arrays = {name: np.asarray(x).astype(np.float32) for name, x in whole.items()}
    nest = nested(arrays, prefix)
    config = {"class": network, "sizes": sizes, "source": source}
    weights.save(part, config, nest)
    shutil.rmtree(folder, ignore_errors=True)  # of the run before it was prolonged
    write_folder(folder, network, sizes, nest)
    return part, folder

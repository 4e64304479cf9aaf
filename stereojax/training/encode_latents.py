"""What a loss needs of its samples, made ahead of a run and kept."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stereojax.settings.train import TrainSettings
from stereojax.shapes import Array, Shaped
from stereojax.training.input.cache import Cache
from stereojax.training.input.clips import Clips
from stereojax.training.input.make_cache import make_cache
from stereojax.training.multihost.all_agree import agreed, largest
from stereojax.training.step import Batch, Encode
from stereojax.weights.structure import Arrays, ModelStructure

_SAMPLES = "samples"


def make_encoder(
    structure: ModelStructure,
    encode: Encode,
    arrays: Arrays,
    devices: list[Any] | None = None,
) -> Callable[[Batch], dict[str, Shaped[Array, "b ..."]]]:
    """A function of a batch that the devices divide: each encodes its samples.

    Args:
      arrays: by name; of what `encode` does not call, they can be missing.
      devices: by default all of this process.
    """
    mesh = Mesh(np.array(devices or jax.local_devices()), (_SAMPLES,))
    everywhere, spread = PartitionSpec(), PartitionSpec(_SAMPLES)
    held = jax.device_put(dict(arrays), NamedSharding(mesh, everywhere))
    rest = {name: np.zeros(()) for name in structure.names if name not in arrays}

    def local(held: dict[str, Array], batch: Batch) -> dict[str, Array]:
        return encode(structure.model(held | rest), batch)

    encoded = jax.jit(
        jax.shard_map(
            local,
            mesh=mesh,
            in_specs=(everywhere, spread),
            out_specs=spread,
            check_vma=False,  # custom rules in the networks know none
        )
    )
    return lambda batch: encoded(held, dict(batch))


def fill_cache(
    cache: Cache,
    clips: Clips,
    settings: TrainSettings,
    encode: Callable[[Batch], dict[str, Shaped[Array, "b ..."]]],
    *,
    start: int,
    told: Callable[[], bool],
) -> bool:
    """Whether the cache has all that the run draws; False where it is told to stop.

    Every process makes its share, and waits for the others: what one draws, another
    has made. Arguments as in `make_cache`.
    """
    return make_cache(
        cache,
        clips,
        settings,
        encode,
        start=start,
        together=jax.local_device_count(),
        process=jax.process_index(),
        processes=jax.process_count(),
        most=largest,
        go_on=lambda: agreed(not told()),
    )

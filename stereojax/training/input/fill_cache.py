"""Encodes the samples that a run will train on and stores them in a LatentCache."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stereojax.cli import Progress, RunError
from stereojax.settings.train import TrainSettings
from stereojax.shapes import Array, Shaped
from stereojax.training.input.latent_cache import LatentCache, SampleKey
from stereojax.training.input.pipeline import (
    NAMES,
    Failure,
    SampleSource,
    read_ahead,
    sample_order,
)
from stereojax.training.multihost.all_agree import all_agree, max_over_processes
from stereojax.training.multihost.processes import is_first, log_once
from stereojax.training.step import Batch, Encode
from stereojax.weights.structure import Arrays, ModelStructure

Encoder = Callable[[Batch], dict[str, Shaped[Array, "b ..."]]]
_SAMPLES = "samples"  # the mesh axis


def make_encoder(
    structure: ModelStructure,
    encode: Encode,
    arrays: Arrays,
    devices: list[Any] | None = None,
) -> Encoder:
    """Returns the jitted `encode`; each device encodes its share of the batch.

    Args:
      arrays: parameters by name; those of networks that `encode` does not call may be
        left out.
      devices: by default all devices of this process; their number must divide the
        batch.
    """
    mesh = Mesh(np.array(devices or jax.local_devices()), (_SAMPLES,))
    replicated, split = PartitionSpec(), PartitionSpec(_SAMPLES)
    on_devices = jax.device_put(dict(arrays), NamedSharding(mesh, replicated))
    unused = {name: np.zeros(()) for name in structure.names if name not in arrays}

    def local(arrays: dict[str, Array], batch: Batch) -> dict[str, Array]:
        return encode(structure.model(arrays | unused), batch)

    encode_batch = jax.jit(
        jax.shard_map(
            local,
            mesh=mesh,
            in_specs=(replicated, split),
            out_specs=split,
            check_vma=False,  # the networks' custom VJP rules do not support it
        )
    )
    return lambda batch: encode_batch(on_devices, dict(batch))


def fill_cache(
    cache: LatentCache,
    source: SampleSource,
    encode: Encoder,
    *,
    start: int,
    stop_requested: Callable[[], bool],
) -> bool:
    """Encodes the missing samples; returns False if stopped before all are written.

    Each process encodes its share of the samples and waits for the other processes,
    because a process also trains on samples that others have encoded.

    Args:
      start: number of updates that the run has already made.
      stop_requested: returns whether this process shall stop; called after each batch.

    Raises:
      RunError: a clip cannot be read, a sample cannot be written, or the samples of
        other processes are not visible to this one.
    """
    clips, settings = source.clips, source.settings
    needed = needed_keys(len(clips), settings, start)
    present = needed.intersection(cache.keys())
    log_once(f"latents: {len(present)} of {len(needed)} are in {cache.folder}")
    # Divide the needed keys, not the missing ones: all processes know the same needed
    # keys, while the missing ones change as soon as another process writes.
    share = sorted(needed)[jax.process_index() :: jax.process_count()]
    missing = [key for key in share if key not in present]
    batch = jax.local_device_count()
    # All processes do the same number of rounds, because each round calls a collective.
    rounds = max_over_processes(-(-len(missing) // batch))
    progress = Progress("latents", len(missing), unit="samples") if is_first() else None
    samples = _read_batches(missing, source, batch)
    previous: tuple | None = None
    complete = True
    for _ in range(rounds):
        # The devices encode the next samples while the previous samples are written.
        encoded = _encode(next(samples, None), encode)
        _write(cache, previous, progress)
        previous = encoded
        if not (complete := all_agree(not stop_requested())):
            break
    _write(cache, previous, progress)
    if progress and rounds:
        progress.close()
    if complete and all_agree(not stop_requested()) and jax.process_count() > 1:
        invisible = needed.difference(cache.keys())
        if invisible:
            raise RunError(
                f"{len(invisible)} of {len(needed)} latents are missing in "
                f"{cache.folder}, though other processes wrote them; expected "
                "--latents on storage that all processes share"
            )
    return complete


def needed_keys(clips: int, settings: TrainSettings, start: int) -> set[SampleKey]:
    """Returns the keys of the samples of the updates from `start` to the last."""
    order = sample_order(clips, settings)
    return {
        (int(order[g]), g // clips % settings.cached_draws)
        for g in range(start * settings.batch, settings.steps * settings.batch)
    }


def _read_batches(
    keys: Sequence[SampleKey], source: SampleSource, batch: int
) -> Iterator[tuple[tuple[SampleKey, ...], dict[str, np.ndarray]]]:
    """Yields the keys and the stacked samples of batches of size `batch`.

    The last batch may have fewer keys; its last sample is repeated to fill the batch.
    """
    import grain

    dataset = grain.MapDataset.source(keys).map(source.sample_to_cache)
    samples = iter(read_ahead(dataset, source.settings))
    for start in range(0, len(keys), batch):
        batch_keys = tuple(keys[start : start + batch])
        batch_samples: list[Any] = [next(samples) for _ in batch_keys]
        for sample in batch_samples:
            if isinstance(sample, Failure):
                raise RunError(sample.text)
        batch_samples += batch_samples[-1:] * (batch - len(batch_samples))
        yield (
            batch_keys,
            {
                name: np.stack([s[name] for s in batch_samples])
                for name in batch_samples[0]
            },
        )


def _encode(batch: tuple | None, encode: Encoder) -> tuple | None:
    """Dispatches the encoding of a batch; returns its keys, names and latents."""
    if batch is None:
        return None
    keys, samples = batch
    names = samples.pop(NAMES)
    return keys, names, encode(samples)


def _write(
    cache: LatentCache, encoded: tuple | None, progress: Progress | None
) -> None:
    """Writes each sample that `_encode` returned."""
    if encoded is None:
        return
    keys, names, arrays = encoded
    host = {NAMES: names, **{name: np.asarray(x) for name, x in arrays.items()}}
    for i, key in enumerate(keys):
        cache.write(key, {name: x[i, ...] for name, x in host.items()})
    if progress:
        progress.add(len(keys))

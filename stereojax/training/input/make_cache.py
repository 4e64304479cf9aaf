"""Makes the samples of a cache that a run will draw, each process its share."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from stereojax.cli import RunError
from stereojax.settings.train import TrainSettings
from stereojax.training.input.cache import Cache, Key
from stereojax.training.input.clips import Clips
from stereojax.training.input.pipeline import (
    NAMES,
    Failure,
    caught,
    drawn,
    order,
    reading,
)


@dataclasses.dataclass(frozen=True)
class Draw:
    """Makes one of the draws of a clip; can be pickled."""

    clips: Clips
    settings: TrainSettings

    def __call__(self, key: Key) -> dict[str, np.ndarray] | Failure:
        clip, draw = key
        seeds = [self.settings.seed, clip, draw]
        return caught(clip, lambda: drawn(self.clips[clip], seeds, self.settings))


def make_cache(
    cache: Cache,
    clips: Clips,
    settings: TrainSettings,
    encode: Callable[[dict[str, np.ndarray]], dict[str, jax.Array]],
    *,
    start: int,
    together: int,
    process: int = 0,
    processes: int = 1,
    say: Callable[[str], None] = lambda line: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Whether all of them are there now; False where it was told to stop.

    Args:
      encode: samples, `together` of them, to what is kept of each.
      start: updates that were made already.

    Raises:
      RunError: a clip cannot be read, or a sample not be written.
    """
    wanted = wanted_keys(len(clips), settings, start)
    there = wanted.intersection(cache.keys())
    say(f"latents: {len(there)} of {len(wanted)} are in {cache.folder}")
    # Of what is wanted, not of what is missing: others may be writing already.
    mine = [key for key in sorted(wanted)[process::processes] if key not in there]
    previous: tuple | None = None
    # The devices make the next ones while these are written.
    for keys, samples in _read(mine, clips, settings, together):
        names = samples.pop(NAMES)
        made = encode(samples)
        _write(cache, previous)
        previous = keys, names, made
        if stop():
            break
    _write(cache, previous)
    return not stop()


def wanted_keys(clips: int, settings: TrainSettings, start: int) -> set[Key]:
    """What the run draws from update `start` to its last."""
    shuffled = order(clips, settings)
    return {
        (int(shuffled[g]), g // clips % settings.cached_draws)
        for g in range(start * settings.batch, settings.steps * settings.batch)
    }


def _read(
    keys: Sequence[Key], clips: Clips, settings: TrainSettings, together: int
) -> Iterator[tuple[tuple[Key, ...], dict[str, np.ndarray]]]:
    """Keys and their samples stacked; the last of them again, where some are left."""
    import grain

    samples = grain.MapDataset.source(keys).map(Draw(clips, settings))
    found = iter(reading(samples, settings))
    for at in range(0, len(keys), together):
        some = tuple(keys[at : at + together])
        made: list[Any] = [next(found) for _ in some]
        for sample in made:
            if isinstance(sample, Failure):
                raise RunError(sample.text)
        made += made[-1:] * (together - len(made))
        yield some, {name: np.stack([s[name] for s in made]) for name in made[0]}


def _write(cache: Cache, made: tuple | None) -> None:
    if made is None:
        return
    keys, names, arrays = made
    host = {NAMES: names, **{name: np.asarray(x) for name, x in arrays.items()}}
    for i, key in enumerate(keys):
        cache.write(key, {name: x[i, ...] for name, x in host.items()})

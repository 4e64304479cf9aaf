"""Makes the samples of a cache that a run will draw, each process its share."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from stereojax.cli import Progress, RunError
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
    most: Callable[[int], int] = lambda rounds: rounds,
    go_on: Callable[[], bool] = lambda: True,
) -> bool:
    """Whether all of them are there now; False where it is not to go on.

    Args:
      encode: samples, `together` of them, to what is kept of each.
      start: updates that were made already.
      most: the most rounds that a process has, given those of this one.
      go_on: asked after each round, by each process as often.

    Raises:
      RunError: a clip cannot be read, a sample not be written, or what other processes
        have made is not seen here.
    """
    wanted = wanted_keys(len(clips), settings, start)
    there = wanted.intersection(cache.keys())
    if process == 0:
        found = f"{len(there)} of {len(wanted)} are in {cache.folder}"
        print(f"latents: {found}", file=sys.stderr, flush=True)
    # Of what is wanted, not of what is missing: others may be writing already.
    mine = [key for key in sorted(wanted)[process::processes] if key not in there]
    rounds = most(-(-len(mine) // together))
    progress = Progress("latents", len(mine), unit="samples") if process == 0 else None
    samples = _read(mine, clips, settings, together)
    previous: tuple | None = None
    whole = True
    for _ in range(rounds):
        # The devices make the next ones while these are written.
        following = _made(next(samples, None), encode)
        _write(cache, previous, progress)
        previous = following
        if not (whole := go_on()):
            break
    _write(cache, previous, progress)
    if progress and rounds:
        progress.close()
    if whole and go_on() and processes > 1:
        lost = wanted.difference(cache.keys())
        if lost:
            raise RunError(
                f"{len(lost)} of {len(wanted)} latents are missing in {cache.folder}, "
                "though other processes made them; expected --latents that all of them "
                "see"
            )
    return whole


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


def _made(read: tuple | None, encode: Callable) -> tuple | None:
    if read is None:
        return None
    keys, samples = read
    names = samples.pop(NAMES)
    return keys, names, encode(samples)


def _write(cache: Cache, made: tuple | None, progress: Progress | None) -> None:
    if made is None:
        return
    keys, names, arrays = made
    host = {NAMES: names, **{name: np.asarray(x) for name, x in arrays.items()}}
    for i, key in enumerate(keys):
        cache.write(key, {name: x[i, ...] for name, x in host.items()})
    if progress:
        progress.add(len(keys))

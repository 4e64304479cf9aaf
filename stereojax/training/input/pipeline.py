"""Batches in an order that is a function of the seed and the step, and of no state.

Sample g of the run (update g // batch, counted from 0) is clip `shuffle(g)`, a new
shuffle each epoch, and what is drawn for it is drawn from (seed, g). So a run that
starts again at any step, or on any number of hosts, sees the same samples.
"""

import dataclasses
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from absl import flags

from stereojax.cli import InputError, RunError
from stereojax.settings.train import TrainSettings
from stereojax.training.input.cache import Cache
from stereojax.training.input.clips import Clip, Clips
from stereojax.training.step import INDEX

NAMES = "names"  # of a batch: the clips that its samples are of


@dataclasses.dataclass(frozen=True)
class Failure:
    """An error on its way out of a worker process."""

    text: str


@dataclasses.dataclass(frozen=True)
class Sample:
    """Makes sample g of a clip; can be pickled."""

    clips: Clips
    settings: TrainSettings
    cache: Cache | None = None

    def __call__(self, g: int, clip: int) -> dict[str, np.ndarray] | Failure:
        return caught(int(clip), lambda: self._make(g, int(clip)))

    def _make(self, g: int, number: int) -> dict[str, np.ndarray]:
        if self.cache:
            draw = g // len(self.clips) % self.cache.draws
            arrays = self.cache.read((number, draw))
        else:
            seeds = [self.settings.seed, g]
            arrays = drawn(self.clips[number], seeds, self.settings)
        return {**arrays, INDEX: np.asarray(g, np.int32)}


def drawn(
    clip: Clip, seeds: Sequence[int], settings: TrainSettings
) -> dict[str, np.ndarray]:
    """The task's arrays of one sample, and the clip's name."""
    from stereojax.training.task import find_task

    arrays = find_task(settings.task).batch(
        clip, np.random.default_rng(seeds), settings
    )
    return {**arrays, NAMES: np.asarray(clip.name, "U96")}


def caught(
    clip: int, make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray] | Failure:
    """What was made, or why it was not."""
    try:
        return make()
    except (InputError, RunError) as error:
        return Failure(str(error))
    except (ValueError, OSError) as error:
        return Failure(f"clip {clip}: {error}")


def collate(samples: Sequence[dict | Failure]) -> dict[str, np.ndarray] | Failure:
    """Samples stacked; or the first of them that is a failure."""
    for sample in samples:
        if isinstance(sample, Failure):
            return sample
    return {name: np.stack([s[name] for s in samples]) for name in samples[0]}


def _clean_up_quietly() -> None:
    """Has the memory that workers share freed without a warning, whatever the end.

    Python does that in a process of its own, which is only told through this variable,
    and which would have the last word after what a run says of its end.
    """
    quiet = "ignore:resource_tracker"
    given = os.environ.get("PYTHONWARNINGS", "")
    if quiet not in given:
        os.environ["PYTHONWARNINGS"] = f"{given},{quiet}".lstrip(",")


def outlast_signals(worker: int, workers: int) -> None:
    """Makes a worker process stay until the one that it reads for is gone.

    Clusters and terminals signal the whole group, and a run that is told to stop needs
    its workers for a little longer.
    """
    del worker, workers
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def order(clips: int, settings: TrainSettings) -> Any:
    """The clip of each sample of a run, as a `grain.MapDataset`."""
    import grain

    shuffled = grain.MapDataset.range(clips).seed(settings.seed).shuffle()
    # Endless for all that matters: slices of more do not fit into a machine word.
    return shuffled.repeat(2**62 // clips)


def reading(ordered: Any, settings: TrainSettings) -> Any:
    """A `grain.MapDataset`'s elements in order, made in advance."""
    import grain

    # Threads read ahead; with processes it is they who do.
    options = grain.ReadOptions(
        num_threads=0 if settings.workers else 2,
        prefetch_buffer_size=0 if settings.workers else settings.prefetch,
    )
    elements = ordered.to_iter_dataset(options)
    if not settings.workers:
        return elements
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # grain asks for some of its own
    _clean_up_quietly()
    return elements.mp_prefetch(
        grain.MultiprocessingOptions(
            num_workers=settings.workers,
            # One that waits and one in work: in full size, 1.2 GB each.
            per_worker_buffer_size=1,
        ),
        worker_init_fn=outlast_signals,
    )


def batches(
    clips: Clips,
    settings: TrainSettings,
    cache: Cache | None = None,
    *,
    start: int = 0,
    process: int = 0,
    processes: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """This process's share of the batches of updates `start`, `start + 1`, ...

    Every process takes each `processes`-th sample of an update. Besides the task's
    arrays, a batch has `index`, the samples' numbers, and `names`, their clips'.

    Args:
      cache: has the samples that will be drawn.

    Raises:
      InputError: there are no clips, or the batch cannot be divided.
      RunError: a clip cannot be read.
    """
    if not len(clips):
        raise InputError("--data: there are no records in it")
    if settings.batch % processes:
        raise InputError(
            f"config.train.batch={settings.batch}: expected a multiple of the "
            f"{processes} processes"
        )
    samples = order(len(clips), settings).map_with_index(Sample(clips, settings, cache))
    mine = samples[process::processes].batch(
        settings.batch // processes, batch_fn=collate
    )
    for batch in reading(mine[start:], settings):
        if isinstance(batch, Failure):
            raise RunError(batch.text)
        yield batch


def held_out(clips: Clips, settings: TrainSettings) -> dict[str, np.ndarray]:
    """The validation samples, always the same, and never mirrored.

    Raises:
      RunError: a clip cannot be read.
    """
    settings = dataclasses.replace(settings, flip=0.0, zoom=1.0)
    make = Sample(clips, settings)
    count = settings.validation_scenes
    made = collate([make(i, i % len(clips)) for i in range(count)])
    if isinstance(made, Failure):
        raise RunError(made.text)
    return made

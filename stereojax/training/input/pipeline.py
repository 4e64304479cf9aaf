"""Reads batches whose order and content depend only on the seed and the step.

Sample g of the run belongs to update g // batch, counted from 0. Its clip is element g
of a sequence that is shuffled anew for each epoch; its random generator is seeded with
(seed, g). So a run that resumes at any step, on any number of hosts, sees the same
samples.
"""

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from absl import flags

from stereojax.cli import InputError, RunError
from stereojax.settings.train import TrainSettings
from stereojax.training.input.clips import Clip, Clips
from stereojax.training.input.latent_cache import LatentCache, SampleKey
from stereojax.training.step import INDEX
from stereojax.worker_process import exit_with_parent

NAMES = "names"  # key of a batch: the names of its samples' clips

Sample = dict[str, np.ndarray]
# Maps (clip, random generator, settings) to a sample's arrays by name; each training
# task defines its own.
MakeSample = Callable[[Clip, np.random.Generator, TrainSettings], Sample]


@dataclasses.dataclass(frozen=True)
class Failure:
    """An error that a worker process returns instead of a sample."""

    text: str


@dataclasses.dataclass(frozen=True)
class SampleSource:
    """Makes the samples of a run from its clips; picklable for worker processes."""

    clips: Clips
    settings: TrainSettings
    make_sample: MakeSample
    cache: LatentCache | None = None  # replaces reading and encoding clips

    def sample(self, g: int, clip: int) -> Sample | Failure:
        """Returns sample g of the run, which belongs to the given clip."""

        def make() -> Sample:
            if self.cache:
                draw = g // len(self.clips) % self.cache.draws
                arrays = self.cache.read((int(clip), draw))
            else:
                arrays = self._draw(int(clip), [self.settings.seed, g])
            return {**arrays, INDEX: np.asarray(g, np.int32)}

        return as_failure(int(clip), make)

    def sample_to_cache(self, key: SampleKey) -> Sample | Failure:
        """Returns the sample, not yet encoded, that the cache holds under `key`."""
        clip, draw = key
        seeds = [self.settings.seed, clip, draw]
        return as_failure(clip, lambda: self._draw(clip, seeds))

    def _draw(self, clip: int, seeds: Sequence[int]) -> Sample:
        return draw_sample(self.clips[clip], seeds, self.settings, self.make_sample)


def draw_sample(
    clip: Clip, seeds: Sequence[int], settings: TrainSettings, make_sample: MakeSample
) -> Sample:
    """Returns the task's arrays of one random sample, and the clip's name."""
    arrays = make_sample(clip, np.random.default_rng(seeds), settings)
    return {**arrays, NAMES: np.asarray(clip.name, "U96")}


def as_failure(clip: int, make: Callable[[], Sample]) -> Sample | Failure:
    """Returns the result of `make`, or a Failure with the text of its error."""
    try:
        return make()
    except (InputError, RunError) as error:
        return Failure(str(error))
    except (ValueError, OSError) as error:
        return Failure(f"clip {clip}: {error}")


def collate(samples: Sequence[Sample | Failure]) -> Sample | Failure:
    """Stacks samples; returns the first Failure if there is one."""
    for sample in samples:
        if isinstance(sample, Failure):
            return sample
    return {name: np.stack([s[name] for s in samples]) for name in samples[0]}


def sample_order(clips: int, settings: TrainSettings) -> Any:
    """Returns the clip of each sample of a run, as a `grain.MapDataset`."""
    import grain

    shuffled = grain.MapDataset.range(clips).seed(settings.seed).shuffle()
    # Longer than any run; the length must fit into a 64-bit integer.
    return shuffled.repeat(2**62 // clips)


def batches(
    source: SampleSource, *, start: int = 0, process: int = 0, processes: int = 1
) -> Iterator[Sample]:
    """Yields this process's share of the batches of updates `start`, `start + 1`, ...

    A process takes every `processes`-th sample of an update. A batch has the task's
    arrays, `index` (the samples' numbers) and `names` (the names of their clips).

    Raises:
      InputError: there are no clips, or `processes` does not divide the batch.
      RunError: a clip cannot be read.
    """
    clips, settings = source.clips, source.settings
    if not len(clips):
        raise InputError("--data: the dataset has no records")
    if settings.batch % processes:
        raise InputError(
            f"config.train.batch={settings.batch}: expected a multiple of the "
            f"{processes} processes"
        )
    samples = sample_order(len(clips), settings).map_with_index(source.sample)
    share = samples[process::processes].batch(
        settings.batch // processes, batch_fn=collate
    )
    for batch in read_ahead(share[start:], settings):
        if isinstance(batch, Failure):
            raise RunError(batch.text)
        yield batch


def held_out_samples(source: SampleSource) -> Sample:
    """Returns the validation samples: a fixed batch, not mirrored and not enlarged.

    Raises:
      RunError: a clip cannot be read.
    """
    settings = dataclasses.replace(source.settings, flip=0.0, zoom=1.0)
    source = dataclasses.replace(source, settings=settings)
    count = settings.validation_scenes
    samples = collate([source.sample(i, i % len(source.clips)) for i in range(count)])
    if isinstance(samples, Failure):
        raise RunError(samples.text)
    return samples


def read_ahead(dataset: Any, settings: TrainSettings) -> Any:
    """Iterates over a `grain.MapDataset` in order, reading ahead."""
    import grain

    # Either threads or worker processes read ahead, not both.
    options = grain.ReadOptions(
        num_threads=0 if settings.workers else 2,
        prefetch_buffer_size=0 if settings.workers else settings.prefetch,
    )
    elements = dataset.to_iter_dataset(options)
    if not settings.workers:
        return elements
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # grain reads its own absl flags
    _ignore_resource_tracker_warnings()
    return elements.mp_prefetch(
        grain.MultiprocessingOptions(
            num_workers=settings.workers,
            # Each worker holds one finished batch while it makes the next; a batch has
            # 1.2 GB at full size.
            per_worker_buffer_size=1,
        ),
        worker_init_fn=ignore_signals,
    )


def _ignore_resource_tracker_warnings() -> None:
    """Silences Python's resource tracker, which frees the workers' shared memory.

    Python starts the tracker process, and only this environment variable reaches it.
    Its warning would be printed after the last line of the run.
    """
    rule = "ignore:resource_tracker"
    rules = os.environ.get("PYTHONWARNINGS", "")
    if rule not in rules:
        os.environ["PYTHONWARNINGS"] = f"{rules},{rule}".lstrip(",")


def ignore_signals(worker: int, workers: int) -> None:
    """Keeps a worker process alive until its parent process ends.

    Clusters and terminals signal the whole process group, but a run that stops still
    needs its workers to finish the current step.
    """
    del worker, workers
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_with_parent()

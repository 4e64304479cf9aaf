"""What is made of one film."""

from collections.abc import Callable
from pathlib import Path

from data_prep.film_summary import Sample, Summary
from data_prep.mono_film import MonoFilm
from data_prep.report.thumbnails import FewPictures
from data_prep.sequence import MakeSequence
from data_prep.stage_timer import Clock
from data_prep.stages.sequences import PlanSequences
from data_prep.stereo_film import StereoFilm
from stereojax.records import Record
from stereojax.settings.data import DataSettings


def process(
    path: Path,
    settings: DataSettings,
    save: Callable[[Record], None],
    progress: Callable[[int], None] = lambda frames: None,
    clock: Clock | None = None,
) -> Summary:
    """Makes the records of a film and hands each to `save` as soon as it is done.

    Records come in the film's order, and the same for the same film and settings. Holds
    the bytes of one sequence at most, whatever the film's length. `progress` is called
    with the number of frames after each sequence, kept or dropped. The summary has a
    picture of a few sequences of each kind, and the seconds of `clock`.

    Raises:
      Refused: nothing can be taken from the film; its `name` says why in a word.
      InputError, RunError: there is no such film, it cannot be read, or its end is
        missing.
    """
    clock = clock or Clock()
    kind = MonoFilm if settings.kind == "mono" else StereoFilm
    film = kind.open(path, settings, clock)
    index, samples, thin = film.index, list[Sample](), FewPictures()
    make = MakeSequence.of(settings)
    plan = PlanSequences(settings.longest, settings.shortest)
    try:
        for shot in index.shots:
            for record, sample in film.sequences(make, shot, plan([shot])):
                samples.append(sample)
                thin(samples)
                if record is not None:
                    save(record)
                progress(sample.frames)
    finally:
        film.reader.close()
    return Summary(
        source=path.name,
        source_hash=index.source_hash,
        kind=film.kind,
        layout=film.layout,
        frames=len(index),
        shots=tuple(len(shot) for shot in index.shots),
        samples=tuple(samples),
        seconds=clock.seconds,
    )

"""Processes one film: the work that a Beam worker does."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from absl import logging

from data_prep.film_summary import (
    FilmOutcome,
    FilmSummary,
    Refusal,
    RefusalError,
    SequenceSummary,
)
from data_prep.films import local_copy
from data_prep.report.thumbnails import LimitThumbnails
from data_prep.stage_timer import StageTimer
from data_prep.stages.sequences import PlanSequences
from data_prep.subprocess_worker import SHARED_WORKER, WorkerDied
from data_prep.work_store import (
    RECORDS,
    RecordWriter,
    WorkStore,
    film_key,
    write_summary,
)
from stereojax.cli import InputError, Progress, RunError, line_of
from stereojax.records import Record
from stereojax.records.tfrecord import scan_offsets
from stereojax.settings.data import DataSettings
from stereojax.storage.hashing import Digest

PROCESSED, REUSED, REFUSED = "processed", "reused", "refused"
FAILED, DUPLICATE = "failed", "duplicate"
STATUSES = (PROCESSED, REUSED, REFUSED, FAILED, DUPLICATE)


@dataclasses.dataclass(frozen=True)
class FilmResult:
    """The result of one input file; all fields can be written as JSON."""

    path: str
    status: str  # PROCESSED, REUSED, REFUSED, FAILED or DUPLICATE
    message: str = ""  # the reason if the file gave no records
    source_hash: str = ""
    key: str = ""  # name of the film's folder in the work folder
    offsets: tuple[int, ...] = ()  # of the film's records, as `scan_offsets` returns
    counters: dict[str, int] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)  # by stage


def hash_film(path: str) -> tuple[str, tuple[str, str]]:
    """Returns (content hash, (path, "")); ("", (path, reason)) if unreadable."""
    try:
        with local_copy(path) as local, Digest(local) as digest:
            return digest.result(), (path, "")
    except Exception as error:  # one unreadable film must not stop the others
        return "", (path, _error_line(path, error))


@dataclasses.dataclass(frozen=True)
class ProcessFilm:
    """Makes the records of a film, unless the work folder holds them."""

    settings: DataSettings
    work: str
    isolated: bool = True  # process films in a subprocess
    depth: str = ""  # identity of the depth model

    def __call__(self, item: tuple[str, Iterable[tuple[str, str]]]) -> list[FilmResult]:
        """Processes all files of one content hash; returns one result for each file.

        Args:
          item: a content hash, and (path, reason) of its files; see `hash_film`.
        """
        source_hash, files = item[0], sorted(item[1])
        if not source_hash:
            return [FilmResult(path, FAILED, reason) for path, reason in files]
        (path, _), *copies = files
        try:
            result = self._process(path, source_hash)
        except Exception as error:  # e.g. of a full disk or a network
            result = FilmResult(path, FAILED, _error_line(path, error), source_hash)
        message = f"the same film as {path}"
        return [
            result,
            *(FilmResult(copy, DUPLICATE, message, source_hash) for copy, _ in copies),
        ]

    def _process(self, path: str, source_hash: str) -> FilmResult:
        # Look for the film in the work folder; damaged records are extracted again.
        key = film_key(source_hash, self.settings, path, self.depth)
        store = WorkStore(self.work)
        try:
            outcome, offsets = self._read_finished(store, key)
        except (RunError, OSError) as error:
            logging.warning("%s: its records are extracted again: %s", path, error)
            store.remove(key)
            outcome = None
        # Otherwise process the film, and read the written files back.
        status = REUSED
        if outcome is None:
            status = PROCESSED
            if error := self._write_records(path, source_hash, key):
                return FilmResult(path, FAILED, error, source_hash, key)
            outcome, offsets = self._read_finished(store, key)
        if outcome is None:
            raise RunError(f"{path}: {store.root / key} has no summary after all")
        if isinstance(outcome, Refusal):
            status, message, seconds = REFUSED, outcome.message, {}
            counters = {f"refused_{outcome.name}": 1}
        else:
            message, seconds, counters = "", outcome.seconds, outcome.counters
        return FilmResult(
            path, status, message, source_hash, key, offsets, counters, seconds
        )

    def _write_records(self, path: str, source_hash: str, key: str) -> str:
        """Returns the reason of a failure, or ""."""
        arguments = path, source_hash, key, self.settings, self.work
        try:
            if self.isolated:
                return SHARED_WORKER.call(write_records_in_subprocess, *arguments)
            return write_records(*arguments)
        except WorkerDied as error:
            return f"{path}: {error}"

    def _read_finished(
        self, store: WorkStore, key: str
    ) -> tuple[FilmOutcome | None, tuple[int, ...]]:
        """Returns a film's outcome, None if unfinished, and its records' offsets.

        Raises:
          RunError, OSError: the records are damaged, or fewer than were written.
        """
        outcome = store.outcome(key)
        if not isinstance(outcome, FilmSummary):
            return outcome, ()
        records = store.root / key / RECORDS
        offsets = tuple(scan_offsets(records).tolist())
        if len(offsets) - 1 != outcome.counters["kept"]:
            raise RunError(
                f"{records}: {len(offsets) - 1} records, where"
                f" {outcome.counters['kept']} were written"
            )
        return outcome, offsets


def write_records(
    path: str, source_hash: str, key: str, settings: DataSettings, work: str
) -> str:
    """Writes a film's records to the work folder; returns why it failed, or ""."""
    progress = Progress(path.rpartition("/")[2], None)
    try:
        with (
            WorkStore(work).film_folder(key) as folder,
            local_copy(path) as local,
        ):
            with RecordWriter(folder) as writer:
                try:
                    outcome: FilmOutcome = extract_records(
                        local, settings, writer.write, progress.add
                    )
                    progress.close()
                except RefusalError as error:
                    outcome = Refusal(local.name, source_hash, error.name, str(error))
            write_summary(folder, outcome)
    except Exception as error:  # one film must not stop the others
        return _error_line(path, error)
    return ""


def extract_records(
    path: Path,
    settings: DataSettings,
    save: Callable[[Record], None],
    progress: Callable[[int], None] = lambda frames: None,
    timer: StageTimer | None = None,
) -> FilmSummary:
    """Makes the records of a film and passes each to `save` as soon as it is encoded.

    Records come in the film's order; the same film and settings give the same records.
    Memory does not grow with the film: it holds the bytes of one sequence at most.

    Args:
      path: the film.
      settings: the settings of data preparation.
      save: takes one record.
      progress: takes the number of frames of each sequence, kept or dropped.
      timer: measures the stages; its seconds are part of the summary.

    Raises:
      RefusalError: no record can be made from the film.
      InputError, RunError: the film does not exist, cannot be read, or is cut short.
    """
    # Imported here: JAX and the decoders are slow to import, and films that are reused
    # do not need them.
    from data_prep.mono_film import MonoFilm
    from data_prep.sequence import MakeSequence
    from data_prep.stereo_film import StereoFilm

    timer = timer or StageTimer()
    kind = MonoFilm if settings.kind == "mono" else StereoFilm
    film = kind.open(path, settings, timer)
    index, samples = film.index, list[SequenceSummary]()
    limit_thumbnails = LimitThumbnails()
    make_sequence = MakeSequence.from_settings(settings)
    plan = PlanSequences(settings.longest, settings.shortest)
    try:
        for shot in index.shots:
            for record, sample in film.sequences(make_sequence, shot, plan([shot])):
                samples.append(sample)
                limit_thumbnails(samples)
                if record is not None:
                    save(record)
                progress(sample.frames)
    finally:
        film.reader.close()
    return FilmSummary(
        source=path.name,
        source_hash=index.source_hash,
        kind=film.kind,
        layout=film.layout,
        frames=len(index),
        shots=tuple(len(shot) for shot in index.shots),
        samples=tuple(samples),
        seconds=timer.seconds,
    )


def write_records_in_subprocess(*arguments: Any) -> str:
    """Calls `write_records` with the cache of compiled functions on disk."""
    from stereojax.storage.compilation_cache import enable_compilation_cache

    enable_compilation_cache()
    return write_records(*arguments)


def resolve_depth_model(name: str) -> tuple[str, str] | InputError | RunError:
    """Loads a depth model; returns its name and identity, or the error.

    `auto` resolves to a model's name. The process that processes the films runs this,
    so that only one process holds the weights.
    """
    from data_prep.mono_film import load_depth_model

    try:
        depth = load_depth_model(name)
    except InputError as error:
        return InputError(str(error))
    except Exception as error:
        return RunError(f"--config.depth_model={name}: {line_of(error)}")
    return depth.name, depth.identity


def _error_line(path: str, error: Exception) -> str:
    """Describes an error in one line that names the film."""
    logging.debug("%s", path, exc_info=True)
    line = line_of(error)
    return line if path.rpartition("/")[2] in line else f"{path}: {line}"

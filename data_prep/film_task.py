"""What is done with one film, on whichever machine it falls to."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from absl import logging

from data_prep.film_summary import Refused, Summary
from data_prep.films import local_copy
from data_prep.outcome import Outcome, Refusal
from data_prep.subprocess_worker import SHARED, Died
from data_prep.work_store import (
    RECORDS,
    RecordWriter,
    VideoStore,
    key_of,
    write_summary,
)
from stereojax.cli import InputError, Progress, RunError
from stereojax.records.tfrecord import scan
from stereojax.settings.data import DataSettings
from stereojax.storage.hashing import Digest

PROCESSED, REUSED, REFUSED = "processed", "reused", "refused"
FAILED, DUPLICATE = "failed", "duplicate"
STATUSES = (PROCESSED, REUSED, REFUSED, FAILED, DUPLICATE)


@dataclasses.dataclass(frozen=True)
class FilmResult:
    """What became of an input file; plain, so that it passes through JSON."""

    path: str
    status: str  # PROCESSED, REUSED, REFUSED, FAILED or DUPLICATE
    message: str = ""  # why, where nothing came of it
    source_hash: str = ""
    key: str = ""  # of its folder in the work folder
    offsets: tuple[int, ...] = ()  # of its records there
    counters: dict[str, int] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)  # by stage


def identify(path: str) -> tuple[str, tuple[str, str]]:
    """(hash of a film's content, (its path, "")); ("", (path, why)) if unreadable."""
    try:
        with local_copy(path) as local, Digest(local) as digest:
            return digest.result(), (path, "")
    except Exception as error:  # whatever is wrong with one, the others go on
        return "", (path, _told(path, error))


@dataclasses.dataclass(frozen=True)
class ProcessFilm:
    """Makes the records of a film, unless the work folder has them."""

    settings: DataSettings
    work: str
    isolated: bool = True  # in a process of its own
    depth: str = ""  # the identity of the depth model

    def __call__(self, item: tuple[str, Iterable[tuple[str, str]]]) -> list[FilmResult]:
        """What `identify` found, by content: one result a file."""
        source_hash, found = item[0], sorted(item[1])
        if not source_hash:
            return [FilmResult(path, FAILED, why) for path, why in found]
        (first, _), *others = found
        same = f"the same film as {first}"
        try:
            result = self._process(first, source_hash)
        except Exception as error:  # of a full disk, or a network
            result = FilmResult(first, FAILED, _told(first, error), source_hash)
        return [
            result,
            *(FilmResult(path, DUPLICATE, same, source_hash) for path, _ in others),
        ]

    def _process(self, path: str, source_hash: str) -> FilmResult:
        key = key_of(source_hash, self.settings, path, self.depth)
        store = VideoStore(self.work)
        try:
            outcome, offsets = self._finished(store, key)
        except (RunError, OSError) as error:
            logging.warning("%s: made again: %s", path, error)
            store.remove(key)
            outcome = None
        status = REUSED
        if outcome is None:
            status = PROCESSED
            if error := self._make(path, source_hash, key):
                return FilmResult(path, FAILED, error, source_hash, key)
            outcome, offsets = self._finished(store, key)
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

    def _make(self, path: str, source_hash: str, key: str) -> str:
        given = path, source_hash, key, self.settings, self.work
        try:
            if self.isolated:
                return SHARED.call(make_film_elsewhere, *given)
            return make_film(*given)
        except Died as died:
            return f"{path}: {died}"

    def _finished(
        self, store: VideoStore, key: str
    ) -> tuple[Outcome | None, tuple[int, ...]]:
        """How a film ended, None if it has not, and the offsets of its records.

        Raises:
          RunError, OSError: its records are not what was written.
        """
        outcome = store.outcome(key)
        if not isinstance(outcome, Summary):
            return outcome, ()
        records = store.root / key / RECORDS
        offsets = tuple(scan(records).tolist())
        if len(offsets) - 1 != outcome.counters["kept"]:
            raise RunError(
                f"{records}: {len(offsets) - 1} records, where"
                f" {outcome.counters['kept']} were written"
            )
        return outcome, offsets


def make_film(
    path: str, source_hash: str, key: str, settings: DataSettings, work: str
) -> str:
    """Makes a film's records in the work folder; why it could not, or ""."""
    # Only now: this brings JAX and the decoders, which a reused film needs not.
    from data_prep.process import process

    progress = Progress(path.rpartition("/")[2], None)
    try:
        with (
            VideoStore(work).building(key) as folder,
            local_copy(path) as local,
        ):
            with RecordWriter(folder) as writer:
                try:
                    outcome: Outcome = process(
                        local, settings, writer.write, progress.add
                    )
                    progress.close()
                except Refused as refused:
                    message = str(refused)
                    outcome = Refusal(local.name, source_hash, refused.name, message)
            write_summary(folder, outcome)
    # Whatever a film does to a decoder, the others go on.
    except Exception as error:
        return _told(path, error)
    return ""


def _told(path: str, error: Exception) -> str:
    """What went wrong with a film, in one line that names it."""
    logging.debug("%s", path, exc_info=True)
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, InputError | RunError):
        text = f"{type(error).__name__}: {text}"
    return text if path.rpartition("/")[2] in text else f"{path}: {text}"


def make_film_elsewhere(*given: Any) -> str:
    """`make_film` in a process of its own: what others have compiled is used."""
    from stereojax.storage.compilation_cache import keep_compiled

    keep_compiled()
    return make_film(*given)


def settle_depth(name: str) -> tuple[str, str] | InputError | RunError:
    """(name, identity) of a depth model, `auto` or any; or why there is none.

    It is loaded for that: in the process that makes the films, not to hold it twice.
    """
    from data_prep.mono_film import depth_of

    try:
        depth = depth_of(name)
    except InputError as error:
        return InputError(str(error))
    except Exception as error:
        return RunError(f"--config.depth_model={name}: {error}")
    return depth.name, depth.identity

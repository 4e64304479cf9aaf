"""What is done with one film, on whichever machine it falls to."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from absl import logging
from etils import epath

from data_prep.films import local_copy
from data_prep.isolation import SHARED, Died
from data_prep.outcome import Outcome, Refusal
from data_prep.store import RECORDS, RecordWriter, VideoStore, key_of, write_summary
from data_prep.summary import Refused
from stereojax.cli import InputError, Progress, RunError
from stereojax.records.tfrecord import scan
from stereojax.settings.data import DataSettings
from stereojax.video.digest import Digest

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


def identify(path: str) -> tuple[str, str]:
    """The hash of a film's content and its path; "" where it cannot be read."""
    try:
        with local_copy(path) as local, Digest(local) as digest:
            return digest.result(), path
    except OSError as error:
        logging.warning("%s: %s", path, error)
        return "", path


@dataclasses.dataclass(frozen=True)
class ProcessFilm:
    """Makes the records of a film, unless the work folder has them."""

    settings: DataSettings
    work: str
    isolated: bool = True  # in a process of its own

    def __call__(self, item: tuple[str, Iterable[str]]) -> list[FilmResult]:
        """A content's hash and the files that hold it: one result a file."""
        source_hash, paths = item[0], sorted(item[1])
        if not source_hash:
            return [FilmResult(p, FAILED, f"{p}: cannot be read") for p in paths]
        first, *others = paths
        same = f"the same film as {first}"
        return [
            self._process(first, source_hash),
            *(FilmResult(p, DUPLICATE, same, source_hash) for p in others),
        ]

    def _process(self, path: str, source_hash: str) -> FilmResult:
        store, key = VideoStore(self.work), key_of(source_hash, self.settings)
        outcome, status = store.outcome(key), REUSED
        if outcome is None:
            status = PROCESSED
            given = path, source_hash, self.settings, self.work
            try:
                if self.isolated:
                    error = SHARED.call(make_film_elsewhere, *given)
                else:
                    error = make_film(*given)
            except Died as died:
                error = f"{path}: {died}"
            if error:
                return FilmResult(path, FAILED, error, source_hash, key)
            outcome = store.outcome(key)
        if isinstance(outcome, Refusal):
            counters = {f"refused_{outcome.name}": 1}
            return FilmResult(
                path, REFUSED, outcome.message, source_hash, key, (), counters
            )
        try:
            offsets = tuple(scan(epath.Path(self.work) / key / RECORDS).tolist())
        except (RunError, OSError) as error:
            return FilmResult(path, FAILED, f"{path}: {error}", source_hash, key)
        return FilmResult(
            path,
            status,
            "",
            source_hash,
            key,
            offsets,
            outcome.counters,
            outcome.seconds,
        )


def make_film(path: str, source_hash: str, settings: DataSettings, work: str) -> str:
    """Makes a film's records in the work folder; why it could not, or ""."""
    # Only now: this brings JAX and the decoders, which a reused film needs not.
    from data_prep.process import process

    progress = Progress(path.rpartition("/")[2], None)
    try:
        with (
            VideoStore(work).building(key_of(source_hash, settings)) as folder,
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
        logging.debug("%s", path, exc_info=True)
        text = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, InputError | RunError):
            text = f"{type(error).__name__}: {text}"
        name = path.rpartition("/")[2]
        return text if name in text else f"{path}: {text}"
    return ""


def make_film_elsewhere(*given: Any) -> str:
    """`make_film` in a process of its own: what others have compiled is used."""
    from stereojax.ops.compilation_cache import keep_compiled

    keep_compiled()
    return make_film(*given)

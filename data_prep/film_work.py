"""What is done with one film, on whichever machine it falls to."""

import dataclasses
import os
from collections.abc import Iterable

from absl import logging
from etils import epath

from data_prep.films import local_copy
from data_prep.outcome import Outcome, Refusal
from data_prep.store import RECORDS, RecordWriter, VideoStore, key_of, write_summary
from data_prep.summary import Refused
from stereojax.cli import InputError, RunError
from stereojax.records.tfrecord import scan
from stereojax.settings.data import DataSettings
from stereojax.video.digest import Digest

PROCESSED, REUSED, REFUSED = "processed", "reused", "refused"
FAILED, DUPLICATE = "failed", "duplicate"


@dataclasses.dataclass(frozen=True)
class FilmResult:
    """What became of an input file; plain, so that it passes through JSON."""

    path: str
    status: str  # PROCESSED, REUSED, REFUSED, FAILED or DUPLICATE
    message: str = ""  # why, where nothing came of it
    source_hash: str = ""
    key: str = ""  # of its folder in the work folder
    offsets: tuple[int, ...] = ()  # of its records there


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
        store = VideoStore(self.work)
        key = key_of(source_hash, self.settings)
        outcome, status = store.outcome(key), REUSED
        try:
            if outcome is None:
                outcome, status = self._make(path, source_hash, key, store), PROCESSED
            if isinstance(outcome, Refusal):
                return FilmResult(path, REFUSED, outcome.message, source_hash, key)
            offsets = scan(epath.Path(self.work) / key / RECORDS)
            return FilmResult(
                path, status, "", source_hash, key, tuple(offsets.tolist())
            )
        # Whatever a film does to a decoder, the others go on.
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            if not isinstance(error, InputError | RunError):
                text = f"{type(error).__name__}: {text}"
            if os.fspath(path).rpartition("/")[2] not in text:
                text = f"{path}: {text}"
            logging.debug("%s", path, exc_info=True)
            return FilmResult(path, FAILED, text, source_hash, key)

    def _make(
        self, path: str, source_hash: str, key: str, store: VideoStore
    ) -> Outcome:
        # Only now: this brings JAX and the decoders, which a reused film needs not.
        from data_prep.process import process

        with store.building(key) as folder, local_copy(path) as local:
            with RecordWriter(folder) as writer:
                try:
                    outcome: Outcome = process(local, self.settings, writer.write)
                except Refused as refused:
                    outcome = Refusal(
                        local.name, source_hash, refused.name, str(refused)
                    )
            write_summary(folder, outcome)
        return outcome

"""Reads and writes the work folder, which holds the records of each finished film.

    WORK/KEY/records.tfrecord   the film's records, in order
    WORK/KEY/summary.json       counters and the report's statistics; written last

    with store.film_folder(film_key(source_hash, settings, path)) as folder:
        with RecordWriter(folder) as writer:
            summary = extract_records(path, settings, writer.write)
        write_summary(folder, summary)

A film is finished if its folder holds a summary. `film_key` hashes the film's content
and all settings that affect its records, so that records made with different settings
are never mixed.
"""

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from data_prep.film_summary import FilmOutcome, read_outcome, write_outcome
from data_prep.stages.layout_name import read_layout_name
from stereojax.records import Record, to_example
from stereojax.records.tfrecord import TFRecordWriter
from stereojax.settings.data import SHARD_SETTINGS, DataSettings
from stereojax.storage import work_folder
from stereojax.storage.atomic import partial_path

# Increment this when the code makes different records from the same film and settings.
VERSION = 2
RECORDS, SUMMARY = "records.tfrecord", "summary.json"


def film_key(
    source_hash: str, settings: DataSettings, path: os.PathLike | str, depth: str = ""
) -> str:
    """Returns the folder name of a film's records.

    Args:
      source_hash: hash of the film's content.
      settings: the settings of data preparation.
      path: the film's path; only the layout words of the file name affect the key.
      depth: identity of the depth model and its weights; "" for stereo films.
    """
    affecting = {
        name: value
        for name, value in dataclasses.asdict(settings).items()
        if name not in SHARD_SETTINGS
    }
    named = read_layout_name(Path(path))
    layout = {
        "beside": named.side_by_side,
        "half": named.half,
        "right_first": named.right_first,
        "unusable": named.unusable,
    }
    settings_key = work_folder.key_of(VERSION, affecting, layout, depth)
    return f"{source_hash[:16]}-{settings_key}"


class RecordWriter:
    """Writes a film's records to `folder`, one at a time."""

    def __init__(self, folder: Path):
        self._writer = TFRecordWriter(folder / RECORDS)

    def __enter__(self) -> "RecordWriter":
        self._writer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.__exit__(*error)

    def write(self, record: Record) -> None:
        self._writer.write(to_example(record))


class WorkStore:
    """The work folder `root`, local or remote; several processes can use it at once."""

    def __init__(self, root: os.PathLike | str):
        self.root = epath.Path(root)

    def is_done(self, key: str) -> bool:
        return self.outcome(key) is not None

    def outcome(self, key: str) -> FilmOutcome | None:
        """Returns the outcome of a finished film, else None."""
        return read_outcome(self.root / key / SUMMARY)

    def remove(self, key: str) -> None:
        """Removes a film's records, so that the next run makes them again."""
        # The summary first: a partly removed folder must not count as finished.
        (self.root / key / SUMMARY).unlink(missing_ok=True)
        (self.root / key).rmtree(missing_ok=True)

    @contextlib.contextmanager
    def film_folder(self, key: str) -> Iterator[Path]:
        """Yields a local folder that becomes the film's folder when the block ends.

        The block must write the records and the summary to the yielded folder. If the
        block raises, or the process is killed, the film remains unfinished.
        """
        local = "://" not in os.fspath(self.root)
        parent = Path(self.root if local else tempfile.gettempdir())
        folder = partial_path(parent / key, unique=True)
        folder.mkdir(parents=True)
        try:
            yield folder
            missing = [n for n in (RECORDS, SUMMARY) if not (folder / n).is_file()]
            if missing:
                raise FileNotFoundError(f"{folder}: {missing[0]} was not written")
            self._commit(key, folder, local)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _commit(self, key: str, folder: Path, local: bool) -> None:
        if self.is_done(key):  # another worker finished the same film first
            return
        target = self.root / key
        if local:
            shutil.rmtree(target, ignore_errors=True)  # unfinished: it has no summary
            folder.rename(Path(target))
            return
        # Object stores cannot rename a folder; the summary, copied last, marks the film
        # as finished.
        target.mkdir(parents=True, exist_ok=True)
        for name in (RECORDS, SUMMARY):
            epath.Path(folder / name).copy(target / name, overwrite=True)

    def remove_partial(self) -> None:
        """Removes partial files of killed jobs; no other job may use the folder."""
        if self.root.is_dir():
            for path in self.root.iterdir():
                if path.name.startswith(".") and path.is_dir():
                    path.rmtree()
                elif path.name.startswith("."):
                    path.unlink()


def write_summary(folder: Path, outcome: FilmOutcome) -> None:
    write_outcome(folder / SUMMARY, outcome)

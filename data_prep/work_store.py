"""The work folder: what was made of each film, done once.

    WORK/KEY/records.tfrecord   the film's records, in order
    WORK/KEY/summary.json       counters and what the report shows; written last

    with store.building(key_of(source_hash, settings, path)) as folder:
        with RecordWriter(folder) as writer:
            summary = process(path, settings, writer.write)
        write_summary(folder, summary)

A film whose summary is there is finished. `key_of` makes the key from the film's
content and from all else that decides its records: other settings never mix in.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from data_prep import outcome
from data_prep.outcome import Outcome
from data_prep.stages.layout_name import read_name
from stereojax.records import Record, to_example
from stereojax.records.tfrecord import TFRecordWriter
from stereojax.settings.data import AFTERWARDS, DataSettings
from stereojax.storage import work_folder

# Goes up when other code would make other records of the same film and settings.
VERSION = 2
RECORDS, SUMMARY = "records.tfrecord", "summary.json"


def key_of(
    source_hash: str, settings: DataSettings, path: os.PathLike | str, depth: str = ""
) -> str:
    """Names what a film of this content becomes under these settings.

    Of its `path` only what the name says of the layout counts. `depth` is the identity
    of the depth model, weights and all, where there is one.
    """
    plain = dataclasses.asdict(settings)
    deciding = {n: v for n, v in plain.items() if n not in AFTERWARDS}
    named = dataclasses.asdict(read_name(Path(path)))
    return f"{source_hash[:16]}-{work_folder.key_of(VERSION, deciding, named, depth)}"


class RecordWriter:
    """Writes a film's records into its folder, one at a time, as they are made."""

    def __init__(self, folder: Path):
        self._writer = TFRecordWriter(folder / RECORDS)
        self.count = 0

    def __enter__(self) -> "RecordWriter":
        self._writer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.__exit__(*error)

    def write(self, record: Record) -> None:
        self._writer.write(to_example(record))
        self.count += 1


class VideoStore:
    """One folder a film under `root`, which may be remote; use it from any process."""

    def __init__(self, root: os.PathLike | str):
        self.root = epath.Path(root)

    def is_done(self, key: str) -> bool:
        return self.outcome(key) is not None

    def outcome(self, key: str) -> Outcome | None:
        """How a finished film ended; None while it is not finished."""
        try:
            return outcome.parse(json.loads((self.root / key / SUMMARY).read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remove(self, key: str) -> None:
        """What was made of a film, for it to be made again."""
        (self.root / key / SUMMARY).unlink(missing_ok=True)  # what counts goes first
        (self.root / key).rmtree(missing_ok=True)

    @contextlib.contextmanager
    def building(self, key: str) -> Iterator[Path]:
        """A local folder of this process, which becomes the film's when all is well.

        `RecordWriter` and `write_summary` are to fill it. Where the block raises, or
        the process dies, the film stays unfinished.
        """
        local = "://" not in os.fspath(self.root)
        beside = Path(self.root if local else tempfile.gettempdir())
        folder = beside / f".{key}.part-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        try:
            yield folder
            missing = [n for n in (RECORDS, SUMMARY) if not (folder / n).is_file()]
            if missing:
                raise FileNotFoundError(f"{folder}: no {missing[0]} was written")
            self._adopt(key, folder, local)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _adopt(self, key: str, folder: Path, local: bool) -> None:
        if self.is_done(key):  # another worker was given the same film, and was quicker
            return
        target = self.root / key
        if local:
            shutil.rmtree(target, ignore_errors=True)  # of no use without a summary
            folder.rename(Path(target))
            return
        # A remote folder cannot be renamed at once: the summary makes it count.
        target.mkdir(parents=True, exist_ok=True)
        for name in (RECORDS, SUMMARY):
            epath.Path(folder / name).copy(target / name, overwrite=True)

    def sweep(self) -> None:
        """Removes what killed processes left; no other job may be at work here."""
        if self.root.is_dir():
            for left in self.root.iterdir():
                if left.name.startswith(".") and left.is_dir():
                    left.rmtree()
                elif left.name.startswith("."):
                    left.unlink()


def write_summary(folder: Path, ended: Outcome) -> None:
    outcome.write(folder / SUMMARY, ended)

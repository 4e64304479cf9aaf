"""Plans and writes the shards: which record goes into which file.

The plan depends only on the films' content and the settings, so that a run that was
killed, or a run on other machines, makes the same shards.
"""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from etils import epath

from data_prep.work_store import RECORDS
from stereojax.cli import RunError
from stereojax.records.tfrecord import TFRecordWriter, read_record
from stereojax.storage.atomic import atomic_write

NAME = "stereo_pairs"  # of the dataset
TRAIN, VALIDATION = "train", "validation"


@dataclasses.dataclass(frozen=True)
class FinishedFilm:
    """A film whose records are in the work folder."""

    key: str
    source_hash: str
    offsets: tuple[int, ...]  # as `records.tfrecord.scan_offsets` returns them
    group: str = ""  # films of a group share a split; "": the content decides

    def __len__(self) -> int:
        return len(self.offsets) - 1


# The field names of the next two classes enter the digest of a dataset: they must stay.
@dataclasses.dataclass(frozen=True)
class StoredRecord:
    """The place of a record in the work folder."""

    key: str  # of its film
    number: int
    start: int  # byte
    stop: int


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """The records of one shard, in order."""

    split: str
    index: int
    count: int  # shards of the split
    suffix: str  # "tfrecord" or "array_record"
    items: tuple[StoredRecord, ...]

    @property
    def name(self) -> str:
        number = f"{self.index:05}-of-{self.count:05}"
        return f"{NAME}-{self.split}.{self.suffix}-{number}"

    @property
    def bytes(self) -> int:
        return sum(item.stop - item.start for item in self.items)


def split_films(
    films: Iterable[FinishedFilm], percent: float
) -> dict[str, list[FinishedFilm]]:
    """Assigns each film to train or validation by a hash of its group or content.

    Adding or removing films never moves the others, with one exception: if no film
    would train, all train. Content means bytes: two encodings of one film can fall into
    different splits unless they share a group.
    """
    films = [film for film in films if len(film)]
    held_out = [
        f for f in films if _unit_hash(f.group or f.source_hash) < percent / 100
    ]
    if len(held_out) == len(films):
        held_out = []
    train = [film for film in films if film not in held_out]
    splits = {TRAIN: train, VALIDATION: held_out}
    return {name: members for name, members in splits.items() if members}


def plan_shards(
    films: Iterable[FinishedFilm], percent: float, megabytes: int, suffix: str
) -> list[ShardPlan]:
    """Shuffles all records into shards of at most `megabytes`, or of one record."""
    plans = []
    for split, members in split_films(films, percent).items():
        records = sorted(_records(members), key=lambda r: _hash(split, r.key, r.number))
        shards = list(_fill_shards(records, megabytes * 10**6))
        plans += [
            ShardPlan(split, index, len(shards), suffix, tuple(shard))
            for index, shard in enumerate(shards)
        ]
    return plans


def write_shard(
    plan: ShardPlan, work: str | os.PathLike, folder: str | os.PathLike
) -> int:
    """Writes a shard atomically; an existing one is kept.

    Returns:
      The number of records written: 0 if the shard existed.
    """
    path = epath.Path(folder) / plan.name
    if path.exists():
        return 0
    records = (_read(item, epath.Path(work)) for item in plan.items)
    # Runners may give one shard to several workers.
    with atomic_write(path, unique=True) as part:
        if plan.suffix == "array_record":
            _write_array_record(part, records)
        else:
            with TFRecordWriter(part) as writer:
                for data in records:
                    writer.write(data)
    return len(plan.items)


def remove_partial_shards(folder: str | os.PathLike) -> None:
    """Removes partial files of killed writers; no other job may use the folder."""
    for path in epath.Path(folder).iterdir():
        if path.name.startswith(".") and ".part-" in path.name:
            path.unlink()


def _read(item: StoredRecord, work: epath.Path) -> bytes:
    path = work / item.key / RECORDS
    try:
        return read_record(path, item.number, item.start, item.stop)
    except (RunError, OSError) as error:
        raise RunError(
            f"{error} (delete {path.parent} and give the same command again)"
        ) from error


def _write_array_record(path: epath.Path, records: Iterator[bytes]) -> None:
    from array_record.python import array_record_module

    # TFDS and grain require groups of one record for random access.
    writer = array_record_module.ArrayRecordWriter(os.fspath(path), "group_size:1")
    try:
        for data in records:
            writer.write(data)
    finally:
        writer.close()
    if not path.exists():
        raise RunError(f"{path}: ArrayRecord wrote nothing; it takes local paths only")


def _records(films: Iterable[FinishedFilm]) -> Iterator[StoredRecord]:
    for film in films:
        for number, (start, stop) in enumerate(itertools.pairwise(film.offsets)):
            yield StoredRecord(film.key, number, start, stop)


def _fill_shards(
    records: Sequence[StoredRecord], limit: int
) -> Iterator[list[StoredRecord]]:
    """Cuts the records into lists of at most `limit` bytes, or of one record."""
    shard: list[StoredRecord] = []
    size = 0
    for record in records:
        if shard and size + record.stop - record.start > limit:
            yield shard
            shard, size = [], 0
        shard.append(record)
        size += record.stop - record.start
    if shard:
        yield shard


def _unit_hash(name: str) -> float:
    """Returns a hash in [0, 1) of a film's content hash or group."""
    return _hash("split", name) / 2**64


def _hash(*parts: object) -> int:
    text = "\n".join(map(str, parts)).encode()
    return int(np.frombuffer(hashlib.blake2b(text, digest_size=8).digest(), "<u8")[0])

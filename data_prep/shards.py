"""Which record goes into which shard, and the shards themselves.

The plan follows from the films' content and the settings alone, so a run that was
killed, or one on other machines, makes the same shards.
"""

import dataclasses
import hashlib
import itertools
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from etils import epath

from data_prep.work_store import RECORDS
from stereojax.cli import RunError
from stereojax.records.tfrecord import TFRecordWriter, read_at

NAME = "stereo_pairs"  # of the dataset
TRAIN, VALIDATION = "train", "validation"


@dataclasses.dataclass(frozen=True)
class Film:
    """A finished film in the work folder, and where its records lie there."""

    key: str
    source_hash: str
    offsets: tuple[int, ...]  # as `records.tfrecord.scan` gives them
    group: str = ""  # films of one are in one split; "": as its content falls

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclasses.dataclass(frozen=True)
class Item:
    """A record in the work folder."""

    key: str  # of its film
    number: int
    start: int  # byte
    stop: int


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    split: str
    index: int
    count: int  # shards of the split
    suffix: str  # "tfrecord" or "array_record"
    items: tuple[Item, ...]

    @property
    def name(self) -> str:
        of = f"{self.index:05}-of-{self.count:05}"
        return f"{NAME}-{self.split}.{self.suffix}-{of}"

    @property
    def bytes(self) -> int:
        return sum(item.stop - item.start for item in self.items)


def split_films(films: Iterable[Film], percent: float) -> dict[str, list[Film]]:
    """Whole films to train and validation, by the hash of their group or content.

    Content is bytes: the same film in another encoding is another one, and the two can
    fall apart unless they are of one group.

    More films, or fewer, move none of the others, unless all would be kept from
    training: then they train.
    """
    films = [film for film in films if len(film)]
    kept = [f for f in films if _draw(f.group or f.source_hash) < percent / 100]
    if len(kept) == len(films):
        kept = []
    train = [film for film in films if film not in kept]
    return {name: some for name, some in ((TRAIN, train), (VALIDATION, kept)) if some}


def plan_shards(
    films: Iterable[Film], percent: float, megabytes: int, suffix: str
) -> list[ShardPlan]:
    """All records, shuffled, in shards of at most `megabytes` (or of one record)."""
    plans = []
    for split, some in split_films(films, percent).items():
        items = sorted(_items(some), key=lambda i: _hash(split, i.key, i.number))
        groups = list(_grouped(items, megabytes * 10**6))
        plans += [
            ShardPlan(split, index, len(groups), suffix, tuple(group))
            for index, group in enumerate(groups)
        ]
    return plans


def write_shard(
    plan: ShardPlan, work: str | os.PathLike, folder: str | os.PathLike
) -> int:
    """Writes the shard beside and renames it; one that is there stays as it is.

    Returns:
      How many records it wrote: 0 where the shard was there.
    """
    target = epath.Path(folder) / plan.name
    if target.exists():
        return 0
    part = target.parent / f".{plan.name}.part-{uuid.uuid4().hex[:8]}"
    records = (_read(item, epath.Path(work)) for item in plan.items)
    try:
        if plan.suffix == "array_record":
            _write_array_record(part, records)
        else:
            with TFRecordWriter(part) as writer:
                for data in records:
                    writer.write(data)
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return len(plan.items)


def sweep(folder: str | os.PathLike) -> None:
    """Removes what killed writers left; no other may be at work there."""
    for left in epath.Path(folder).iterdir():
        if left.name.startswith(".") and ".part-" in left.name:
            left.unlink()


def _read(item: Item, work: epath.Path) -> bytes:
    path = work / item.key / RECORDS
    try:
        return read_at(path, item.number, item.start, item.stop)
    except (RunError, OSError) as error:
        raise RunError(
            f"{error} (delete {path.parent} and give the same command again)"
        ) from error


def _write_array_record(path: epath.Path, records: Iterator[bytes]) -> None:
    from array_record.python import array_record_module

    # A group of one is what TFDS and grain want for access at random.
    writer = array_record_module.ArrayRecordWriter(os.fspath(path), "group_size:1")
    try:
        for data in records:
            writer.write(data)
    finally:
        writer.close()
    if not path.exists():
        raise RunError(f"{path}: ArrayRecord wrote nothing; it takes local paths only")


def _items(films: Iterable[Film]) -> Iterator[Item]:
    for film in films:
        for number, (start, stop) in enumerate(itertools.pairwise(film.offsets)):
            yield Item(film.key, number, start, stop)


def _grouped(items: Sequence[Item], limit: int) -> Iterator[list[Item]]:
    group: list[Item] = []
    size = 0
    for item in items:
        if group and size + item.stop - item.start > limit:
            yield group
            group, size = [], 0
        group.append(item)
        size += item.stop - item.start
    if group:
        yield group


def _draw(name: str) -> float:
    """A number in [0, 1) that stands for a film's content, or its group."""
    return _hash("split", name) / 2**64


def _hash(*parts: object) -> int:
    text = "\n".join(map(str, parts)).encode()
    return int(np.frombuffer(hashlib.blake2b(text, digest_size=8).digest(), "<u8")[0])

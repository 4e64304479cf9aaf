"""Random access to the records of a dataset, as grain's `MapDataset` wants it."""

import bisect
import dataclasses
import itertools
import json
import operator
import os
from collections.abc import Sequence
from pathlib import Path
from typing import SupportsIndex

from etils import epath

from stereojax.cli import InputError, RunError
from stereojax.records.example import from_example
from stereojax.records.record import Record
from stereojax.records.shard import Shard, open_shard

INFO = "dataset_info.json"  # TFDS writes it beside the shards


def cache_root() -> Path:
    """$STEREOJAX_CACHE, else ~/.cache/stereojax."""
    return Path(os.environ.get("STEREOJAX_CACHE") or "~/.cache/stereojax").expanduser()


class RecordSource:
    """Records by number, over all shards in order.

        import grain

        source = open_records("dataset/", "train")
        grain.MapDataset.source(source).shuffle(seed=0).map(lambda record: ...)

    A record is read and its checksum compared only when it is asked for. It can be
    pickled and shared by threads; `repr` names the data, as grain's checkpoints want.
    """

    def __init__(self, shards: Sequence[Shard], counts: Sequence[int], name: str):
        self._shards, self._name = list(shards), name
        self._stops = list(itertools.accumulate(counts))

    def __len__(self) -> int:
        return self._stops[-1] if self._stops else 0

    def __getitem__(self, index: SupportsIndex) -> Record:
        """Raises `RunError`, which names file and record, where it is damaged."""
        data, shard, number = self._read(index)
        try:
            return from_example(data)
        except ValueError as error:
            raise RunError(f"{shard.path}: record {number}: {error}") from error

    def example(self, index: SupportsIndex) -> bytes:
        """The record's serialized tf.train.Example."""
        return self._read(index)[0]

    def _read(self, index: SupportsIndex) -> tuple[bytes, Shard, int]:
        at = operator.index(index)
        if not 0 <= at < len(self):
            raise IndexError(f"record {at} of {self._name}, which has {len(self)}")
        which = bisect.bisect_right(self._stops, at)
        number = at - (self._stops[which - 1] if which else 0)
        shard = self._shards[which]
        return shard.read(number), shard, number

    def __repr__(self) -> str:
        return f"RecordSource({self._name}, {len(self)} records)"


@dataclasses.dataclass(frozen=True)
class Split:
    """What `dataset_info.json` says of a split."""

    paths: tuple[str, ...]  # of its shards, in order
    counts: tuple[int, ...]  # records in each


def open_records(
    place: os.PathLike | str,
    split: str | None = None,
    *,
    cache_dir: Path | None = None,
) -> RecordSource:
    """The records of a dataset's split, or of the files that a pattern names.

    Args:
      place: the folder that `data_prep` wrote, or the one with `dataset_info.json` in
        it, local or remote; or files of records, or a pattern for them.
      split: "train" or "validation"; with a pattern it is None.
      cache_dir: where the offsets of TFRecord files are kept;
        $STEREOJAX_CACHE/records or ~/.cache/stereojax/records.

    Raises:
      InputError: there is no such dataset or split.
      RunError: the offsets of a shard cannot be scanned (a pattern's files).
    """
    cache = cache_dir or cache_root() / "records"
    path = epath.Path(place)
    if not path.is_dir():
        return _open_pattern(path, split, cache)
    folder = find_dataset(path)
    splits = read_splits(folder)
    if split not in splits:
        raise InputError(
            f"{folder}: split {split} is not one of {', '.join(sorted(splits))}"
        )
    chosen = splits[split]
    shards = [open_shard(p, cache) for p in chosen.paths]
    return RecordSource(shards, chosen.counts, f"{folder}:{split}")


def find_dataset(folder: epath.Path) -> epath.Path:
    """`folder`, or the one in it, NAME/VERSION, that has `dataset_info.json`."""
    for pattern in (INFO, f"*/{INFO}", f"*/*/{INFO}"):
        found = sorted(p for p in folder.glob(pattern) if _is_visible(p, folder))
        if len(found) > 1:
            raise InputError(
                f"{folder}: {len(found)} datasets, {found[0].parent} the first;"
                " name one of them"
            )
        if found:
            return found[0].parent
    raise InputError(f"{folder}: no dataset here: no {INFO}; make one with data_prep")


def read_splits(folder: epath.Path) -> dict[str, Split]:
    """The splits of the dataset in `folder`, by name."""
    try:
        info = json.loads((folder / INFO).read_text())
        name, kind = info["name"], info.get("fileFormat", "tfrecord")
        splits = {}
        for entry in info["splits"]:
            counts = tuple(int(n) for n in entry["shardLengths"])
            template = entry["filepathTemplate"]
            paths = (
                folder
                / template.format(
                    DATASET=name,
                    SPLIT=entry["name"],
                    FILEFORMAT=kind,
                    SHARD_X_OF_Y=f"{i:05}-of-{len(counts):05}",
                )
                for i in range(len(counts))
            )
            splits[entry["name"]] = Split(tuple(map(os.fspath, paths)), counts)
    except (ValueError, KeyError) as error:
        raise InputError(f"{folder / INFO}: not what TFDS writes: {error}") from error
    return splits


def _open_pattern(path: epath.Path, split: str | None, cache: Path) -> RecordSource:
    if split is not None:
        raise InputError(f"{path}: split {split} asked of files; name their dataset")
    found = [path] if path.exists() else sorted(path.parent.glob(path.name))
    if not found:
        raise InputError(f"{path}: no such folder or file of records")
    shards = [open_shard(p, cache) for p in found]
    return RecordSource(shards, [s.count() for s in shards], os.fspath(path))


def _is_visible(path: epath.Path, folder: epath.Path) -> bool:
    """Not in a folder of work in progress."""
    inside = os.fspath(path)[len(os.fspath(folder)) :]
    return "/." not in inside

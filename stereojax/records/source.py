"""Random access to the records of a dataset, as a source of grain's `MapDataset`."""

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

DATASET_INFO = "dataset_info.json"  # TFDS writes it into the folder of the shards


def cache_root() -> Path:
    """Returns $STEREOJAX_CACHE, else ~/.cache/stereojax."""
    return Path(os.environ.get("STEREOJAX_CACHE") or "~/.cache/stereojax").expanduser()


class RecordSource:
    """The records of all shards by number, in the order of the shards.

        import grain

        source = open_records("dataset/", "train")
        grain.MapDataset.source(source).shuffle(seed=0).map(lambda record: ...)

    Indexing reads one record and verifies its checksum. A source can be pickled and
    shared by threads; `repr` names the data, which grain's checkpoints require.
    """

    def __init__(self, shards: Sequence[Shard], counts: Sequence[int], name: str):
        self._shards, self._name = list(shards), name
        self._stops = list(itertools.accumulate(counts))

    def __len__(self) -> int:
        return self._stops[-1] if self._stops else 0

    def __getitem__(self, index: SupportsIndex) -> Record:
        """Raises `RunError`, which names file and record, if the record is damaged."""
        position = operator.index(index)
        if not 0 <= position < len(self):
            raise IndexError(
                f"record {position} of {self._name}, which has {len(self)}"
            )
        shard_index = bisect.bisect_right(self._stops, position)
        first = self._stops[shard_index - 1] if shard_index else 0
        shard, number = self._shards[shard_index], position - first
        data = shard.read(number)
        try:
            return from_example(data)
        except ValueError as error:
            raise RunError(f"{shard.path}: record {number}: {error}") from error

    def __repr__(self) -> str:
        return f"RecordSource({self._name}, {len(self)} records)"


@dataclasses.dataclass(frozen=True)
class Split:
    """A split, as `dataset_info.json` describes it."""

    paths: tuple[str, ...]  # shard files, in order
    counts: tuple[int, ...]  # records in each shard


def open_records(
    location: os.PathLike | str,
    split: str | None = None,
    *,
    cache_dir: Path | None = None,
) -> RecordSource:
    """Opens a split of a dataset, or the record files that a pattern matches.

    Args:
      location: the output folder of `data_prep`, or the folder with
        `dataset_info.json` in it, local or remote; or a record file, or a pattern.
      split: "train" or "validation"; None for files.
      cache_dir: the folder for offsets of TFRecord files; by default
        $STEREOJAX_CACHE/records, else ~/.cache/stereojax/records.

    Raises:
      InputError: the dataset, the split or the files do not exist.
      RunError: a file's offsets cannot be scanned (only for files).
    """
    cache = cache_dir or cache_root() / "records"
    path = epath.Path(location)
    if not path.is_dir():
        return _open_pattern(path, split, cache)
    folder = find_dataset(path)
    splits = read_splits(folder)
    if split not in splits:
        raise InputError(
            f"{folder}: split {split} is not one of {', '.join(sorted(splits))}"
        )
    paths, counts = splits[split].paths, splits[split].counts
    shards = [open_shard(p, cache) for p in paths]
    return RecordSource(shards, counts, f"{folder}:{split}")


def find_dataset(folder: epath.Path) -> epath.Path:
    """Returns the folder with `dataset_info.json`: `folder` or its NAME/VERSION."""
    for pattern in (DATASET_INFO, f"*/{DATASET_INFO}", f"*/*/{DATASET_INFO}"):
        infos = sorted(p for p in folder.glob(pattern) if _is_visible(p, folder))
        if len(infos) > 1:
            raise InputError(
                f"{folder}: {len(infos)} datasets, {infos[0].parent} the first;"
                " name one of them"
            )
        if infos:
            return infos[0].parent
    raise InputError(
        f"{folder}: no dataset here: no {DATASET_INFO}; make one with data_prep"
    )


def read_splits(folder: epath.Path) -> dict[str, Split]:
    """Returns the splits of the dataset in `folder`, by name."""
    try:
        info = json.loads((folder / DATASET_INFO).read_text())
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
        raise InputError(
            f"{folder / DATASET_INFO}: not what TFDS writes: {error}"
        ) from error
    return splits


def _open_pattern(path: epath.Path, split: str | None, cache: Path) -> RecordSource:
    if split is not None:
        raise InputError(
            f"{path}: files have no split {split}; expected the folder of their dataset"
        )
    files = [path] if path.exists() else sorted(path.parent.glob(path.name))
    if not files:
        raise InputError(f"{path}: no such folder or file of records")
    shards = [open_shard(p, cache) for p in files]
    return RecordSource(shards, [s.count() for s in shards], os.fspath(path))


def _is_visible(path: epath.Path, folder: epath.Path) -> bool:
    """Returns False in a hidden folder: a dataset that is still being written."""
    inside = os.fspath(path)[len(os.fspath(folder)) :]
    return "/." not in inside

"""Random access to one file of records: TFRecord or ArrayRecord."""

import contextlib
import dataclasses
import hashlib
import os
import threading
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from etils import epath

from stereojax.cli import InputError, RunError
from stereojax.records.tfrecord import read_record, scan_offsets
from stereojax.storage.atomic import atomic_write


@runtime_checkable
class Shard(Protocol):
    """Serialized records by their number within the file."""

    path: str

    def count(self) -> int: ...

    def read(self, number: int) -> bytes:
        """Raises `RunError`, which names file and record, if the record is damaged."""
        ...


def open_shard(path: os.PathLike | str, cache_dir: Path | None) -> Shard:
    """Opens a shard; the file name says which format it has."""
    path = os.fspath(path)
    if ".array_record" in path.rpartition("/")[2]:
        return ArrayRecordShard(path)
    return TFRecordShard(path, cache_dir)


@dataclasses.dataclass
class TFRecordShard:
    """A TFRecord file, whose record offsets are scanned once and cached on disk.

    The cache entry is keyed by path, size and modification time. Threads may share a
    shard; a pickled copy in another process reads the cached offsets.
    """

    path: str
    cache_dir: Path | None  # None: every process scans the file
    _offsets: np.ndarray | None = None
    _scanned_here: bool = False  # the offsets come from this process, not the cache

    def count(self) -> int:
        return len(self.offsets()) - 1

    def read(self, number: int) -> bytes:
        try:
            return self._read(number)
        except RunError:
            if self._scanned_here:
                raise
        # The cached offsets may belong to an older file of the same size and time.
        self._offsets = self._scan()
        return self._read(number)

    def _read(self, number: int) -> bytes:
        if number >= self.count():
            raise RunError(
                f"{self.path}: record {number} is missing: the file ends after"
                f" {self.count()}; make it anew"
            )
        start, stop = self.offsets()[number : number + 2]
        return read_record(self.path, number, int(start), int(stop))

    def offsets(self) -> np.ndarray:
        """Returns the first byte of each record and the file size, int64."""
        if self._offsets is None:
            self._offsets = self._load_offsets()
        return self._offsets

    def _load_offsets(self) -> np.ndarray:
        """Reads the offsets from the cache, or scans the file."""
        try:
            stat = epath.Path(self.path).stat()
        except OSError as error:
            raise InputError(f"{self.path}: no such file of records") from error
        if (cache_file := self._cache_file()) is not None:
            with contextlib.suppress(OSError, ValueError, EOFError):
                offsets = np.load(cache_file)
                if offsets[-1] == stat.length:
                    return offsets
        return self._scan()

    def _scan(self) -> np.ndarray:
        """Scans the file and caches the offsets."""
        offsets, cache_file = scan_offsets(self.path), self._cache_file()
        self._scanned_here = True
        # A cache that cannot be written only costs the next process a scan.
        if cache_file is not None:
            with contextlib.suppress(OSError):
                cache_file.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(cache_file, unique=True) as part:
                    np.save(part, offsets)
        return offsets

    def _cache_file(self) -> Path | None:
        if self.cache_dir is None:
            return None
        stat = epath.Path(self.path).stat()
        full = self.path if "://" in self.path else os.path.abspath(self.path)
        name = f"{full} {stat.length} {stat.mtime}".encode()
        return (
            self.cache_dir / f"{hashlib.blake2b(name, digest_size=16).hexdigest()}.npy"
        )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_offsets": None, "_scanned_here": False}


class ArrayRecordShard:
    """An ArrayRecord file; the format has its own index and checksums."""

    def __init__(self, path: str):
        self.path = path
        self._reader = None
        self._lock = threading.Lock()

    def count(self) -> int:
        with self._lock:
            return self._open().num_records()

    def read(self, number: int) -> bytes:
        with self._lock:
            try:
                (data,) = self._open().read([number])
            except (RuntimeError, ValueError, IndexError, OSError) as error:
                raise RunError(
                    f"{self.path}: record {number} is damaged ({error}); make it anew"
                ) from error
        return data

    def _open(self) -> Any:
        from array_record.python import array_record_module

        if self._reader is None:
            if not os.path.isfile(self.path):
                raise InputError(f"{self.path}: no such file of records")
            self._reader = array_record_module.ArrayRecordReader(self.path)
        return self._reader

    def __reduce__(self) -> tuple:
        return ArrayRecordShard, (self.path,)

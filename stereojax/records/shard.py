"""One file of records, read at random: TFRecord, or ArrayRecord."""

import contextlib
import dataclasses
import hashlib
import os
import threading
import uuid
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from etils import epath

from stereojax.cli import InputError, RunError
from stereojax.records.tfrecord import read_at, scan


@runtime_checkable
class Shard(Protocol):
    """Serialized records by their number within the file."""

    path: str

    def count(self) -> int: ...

    def read(self, number: int) -> bytes:
        """Raises `RunError`, which names file and record, where it is damaged."""
        ...


def open_shard(path: os.PathLike | str, cache_dir: Path | None) -> Shard:
    path = os.fspath(path)
    if ".array_record" in path.rpartition("/")[2]:
        return ArrayRecordShard(path)
    return TFRecordShard(path, cache_dir)


@dataclasses.dataclass
class TFRecordShard:
    """A TFRecord file. Its offsets are scanned once for a size and time of the file.

    Threads may share it; a copy in another process reads the cached offsets.
    """

    path: str
    cache_dir: Path | None  # None: scanned anew by every process
    _offsets: np.ndarray | None = None
    _trusted: bool = False  # the offsets were scanned by this process

    def count(self) -> int:
        return len(self.offsets()) - 1

    def read(self, number: int) -> bytes:
        try:
            return self._read(number)
        except RunError:
            if self._trusted:
                raise
        # The file may be another one than when the cache was written, of the same size
        # and time.
        self._offsets = self._scanned()
        return self._read(number)

    def _read(self, number: int) -> bytes:
        if number >= self.count():
            raise RunError(
                f"{self.path}: record {number} is missing: the file ends after"
                f" {self.count()}; make it anew"
            )
        start, stop = self.offsets()[number : number + 2]
        return read_at(self.path, number, int(start), int(stop))

    def offsets(self) -> np.ndarray:
        """(records + 1,) int64: where each begins, and the file's size."""
        if self._offsets is None:
            self._offsets = self._cached()
        return self._offsets

    def _cached(self) -> np.ndarray:
        try:
            stat = epath.Path(self.path).stat()
        except OSError as error:
            raise InputError(f"{self.path}: no such file of records") from error
        if (file := self._cache_file()) is not None:
            with contextlib.suppress(OSError, ValueError, EOFError):
                offsets = np.load(file)
                if offsets[-1] == stat.length:
                    return offsets
        return self._scanned()

    def _scanned(self) -> np.ndarray:
        offsets, file = scan(self.path), self._cache_file()
        self._trusted = True
        # A cache that cannot be written costs the next process a scan, no more.
        if file is not None:
            with contextlib.suppress(OSError):
                file.parent.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(f".{uuid.uuid4().hex[:8]}.npy")
                np.save(part, offsets)
                part.replace(file)
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
        return self.__dict__ | {"_offsets": None, "_trusted": False}


class ArrayRecordShard:
    """An ArrayRecord file, which has an index and checksums of its own."""

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

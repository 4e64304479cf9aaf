"""TFRecord files: written in order, read at random, every byte under its checksum.

A record is its length (uint64), that length's checksum, the data, the data's checksum;
little endian. The checksums are CRC-32C, rotated and shifted by a constant.
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c
import numpy as np
from etils import epath

from stereojax.cli import RunError

_HEAD, _TAIL = 12, 4  # bytes before and after the data
_MASK = 0xA282EAD8


def masked_crc(data: bytes) -> int:
    """The checksum that TFRecord keeps of `data`."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


class TFRecordWriter:
    """Appends records to a new file; use as a context manager."""

    def __init__(self, path: os.PathLike | str):
        self._path = epath.Path(path)

    def __enter__(self) -> "TFRecordWriter":
        self._file: BinaryIO = self._path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()
        with contextlib.suppress(OSError, AttributeError):  # remote files have none
            os.fsync(self._file.fileno())
        self._file.close()

    def write(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        self._file.write(length + struct.pack("<I", masked_crc(length)))
        self._file.write(data)
        self._file.write(struct.pack("<I", masked_crc(data)))


def scan(path: os.PathLike | str) -> np.ndarray:
    """Where each record begins, and at last the file's size: (records + 1,) int64.

    Reads the lengths only, and checks their checksums.

    Raises:
      RunError: a length is damaged, or the file ends within a record.
    """
    path = epath.Path(path)
    size = path.stat().length
    offsets = [0]
    with path.open("rb") as file:
        while (at := offsets[-1]) < size:
            file.seek(at)
            where = f"{path}: record {len(offsets) - 1}"
            end = at + _HEAD + _length(file.read(_HEAD), where) + _TAIL
            if end > size:
                raise RunError(
                    f"{where} ends at byte {end}, the file at {size}: it is cut short;"
                    " make it anew"
                )
            offsets.append(end)
    return np.array(offsets, np.int64)


def read_at(path: os.PathLike | str, number: int, start: int, stop: int) -> bytes:
    """The data of record `number`, which lies from byte `start` to `stop`.

    Raises:
      RunError: a checksum does not match.
    """
    with epath.Path(path).open("rb") as file:
        file.seek(start)
        record = file.read(stop - start)
    where = f"{path}: record {number}"
    length = _length(record[:_HEAD], where)
    if len(record) != stop - start or _HEAD + length + _TAIL != len(record):
        raise RunError(f"{where} is not where it was: the file has changed")
    data = record[_HEAD:-_TAIL]
    if masked_crc(data) != struct.unpack("<I", record[-_TAIL:])[0]:
        raise RunError(f"{where} is damaged: its checksum does not match; make it anew")
    return data


def read_all(path: os.PathLike | str) -> Iterator[bytes]:
    """The data of every record, in order."""
    offsets = scan(path)
    for number in range(len(offsets) - 1):
        yield read_at(path, number, int(offsets[number]), int(offsets[number + 1]))


def _length(head: bytes, where: str) -> int:
    if len(head) < _HEAD:
        raise RunError(f"{where}: the file ends within its length; make it anew")
    length, crc = struct.unpack("<QI", head)
    if masked_crc(head[:8]) != crc:
        raise RunError(
            f"{where} is damaged: its length's checksum does not match; make it anew"
        )
    return length

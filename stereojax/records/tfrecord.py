"""TFRecord files: sequential writing, random access, checksums.

A record is its length (uint64), the length's checksum, the data and the data's
checksum, all little endian. The checksums are CRC-32C, rotated and shifted by a
constant.
"""

import contextlib
import os
import struct
from typing import BinaryIO

import google_crc32c
import numpy as np
from etils import epath

from stereojax.cli import RunError

_HEAD, _TAIL = 12, 4  # bytes before and after the data
_MASK = 0xA282EAD8


def masked_crc(data: bytes) -> int:
    """Returns the checksum that TFRecord stores for `data`."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


class TFRecordWriter:
    """Writes records to a new file; use it as a context manager."""

    def __init__(self, path: os.PathLike | str):
        self._path = epath.Path(path)

    def __enter__(self) -> "TFRecordWriter":
        self._file: BinaryIO = self._path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()
        with contextlib.suppress(OSError, AttributeError):  # no fileno: a remote file
            os.fsync(self._file.fileno())
        self._file.close()

    def write(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        self._file.write(length + struct.pack("<I", masked_crc(length)))
        self._file.write(data)
        self._file.write(struct.pack("<I", masked_crc(data)))


def scan_offsets(path: os.PathLike | str) -> np.ndarray:
    """Returns the first byte of each record and the file size: (records + 1,) int64.

    Reads only the lengths, and verifies their checksums.

    Raises:
      RunError: a length is damaged, or the file ends within a record.
    """
    path = epath.Path(path)
    size = path.stat().length
    offsets = [0]
    with path.open("rb") as file:
        while (start := offsets[-1]) < size:
            file.seek(start)
            record = f"{path}: record {len(offsets) - 1}"
            end = start + _HEAD + _data_length(file.read(_HEAD), record) + _TAIL
            if end > size:
                raise RunError(
                    f"{record} ends at byte {end}, the file at {size}: it is cut short;"
                    " make it anew"
                )
            offsets.append(end)
    return np.array(offsets, np.int64)


def read_record(path: os.PathLike | str, number: int, start: int, stop: int) -> bytes:
    """Reads the data of a record and verifies its checksums.

    Args:
      path: the TFRecord file.
      number: number of the record, for error messages.
      start, stop: its byte range, as `scan_offsets` returns it.

    Raises:
      RunError: a checksum does not match.
    """
    with epath.Path(path).open("rb") as file:
        file.seek(start)
        content = file.read(stop - start)
    record = f"{path}: record {number}"
    length = _data_length(content[:_HEAD], record)
    if len(content) != stop - start or _HEAD + length + _TAIL != len(content):
        raise RunError(f"{record} has another length now: the file has changed")
    data = content[_HEAD:-_TAIL]
    if masked_crc(data) != struct.unpack("<I", content[-_TAIL:])[0]:
        raise RunError(
            f"{record} is damaged: its checksum does not match; make it anew"
        )
    return data


def _data_length(head: bytes, record: str) -> int:
    """Parses a record's head; `record` names the record in errors."""
    if len(head) < _HEAD:
        raise RunError(f"{record}: the file ends within its length; make it anew")
    length, crc = struct.unpack("<QI", head)
    if masked_crc(head[:8]) != crc:
        raise RunError(
            f"{record} is damaged: its length's checksum does not match; make it anew"
        )
    return length

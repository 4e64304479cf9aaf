"""Reads and patches the video sample-entry boxes of an MP4 or MOV file.

ISO/IEC 14496-12: a box is a 32-bit size, a four-letter name, then its content.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_SAMPLE_TABLE_PATH = ("moov", "trak", "mdia", "minf", "stbl", "stsd")
_STSD_HEADER = 8  # version, flags, number of entries
_VISUAL_HEADER = 78  # fields of a VisualSampleEntry before its boxes


class Box(NamedTuple):
    """One box; positions are bytes from the start of the file."""

    name: str
    start: int  # first byte of the content
    stop: int


def picture_boxes(file: BinaryIO) -> Iterator[Box]:
    """Yields the boxes in the sample entries of video tracks: avcC, colr, st3d, ..."""
    level = [Box("", 0, file.seek(0, 2))]
    for name in _SAMPLE_TABLE_PATH:
        level = [
            b for parent in level for b in _children(file, parent) if b.name == name
        ]
        if name == "trak":
            level = [b for b in level if _is_video(file, b)]
    for table in level:
        for entry in _children(file, table._replace(start=table.start + _STSD_HEADER)):
            start = entry.start + _VISUAL_HEADER
            yield from _children(file, entry._replace(start=start))


def read_box(file: BinaryIO, box: Box) -> bytes:
    """Returns the content of `box`."""
    file.seek(box.start)
    return file.read(box.stop - box.start)


def replace_box(file: BinaryIO, box: Box, name: str, content: bytes = b"") -> None:
    """Overwrites `box` with another box and fills the remaining bytes with `free`."""
    start = box.start - 8
    length = box.stop - start
    if name == "free":
        data = struct.pack(">I4s", length, b"free") + bytes(length - 8)
    else:
        data = struct.pack(">I4s", 8 + len(content), name.encode()) + content
        rest = length - len(data)
        if rest < 8:
            raise ValueError(f"a {name} box does not fit into {box.name}")
        data += struct.pack(">I4s", rest, b"free") + bytes(rest - 8)
    file.seek(start)
    file.write(data)


def _children(file: BinaryIO, parent: Box) -> Iterator[Box]:
    at = parent.start
    while at + 8 <= parent.stop:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        start = at + 8
        if size == 1:
            size = struct.unpack(">Q", file.read(8))[0]
            start += 8
        elif size == 0:
            size = parent.stop - at
        if size < 8 or at + size > parent.stop:
            return
        yield Box(name.decode("latin-1"), start, at + size)
        at += size


def _is_video(file: BinaryIO, trak: Box) -> bool:
    for mdia in _children(file, trak):
        if mdia.name == "mdia":
            for hdlr in _children(file, mdia):
                if hdlr.name == "hdlr":
                    return read_box(file, hdlr)[8:12] == b"vide"
    return False

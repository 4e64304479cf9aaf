"""The boxes of an MP4 or MOV file that describe its picture, read and patched in place.

ISO/IEC 14496-12: a box is a 32-bit size, a four-letter name, then its content.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_TO_SAMPLES = ("moov", "trak", "mdia", "minf", "stbl", "stsd")
_STSD_HEADER = 8  # version, flags, number of entries
_VISUAL_HEADER = 78  # of a VisualSampleEntry, before its own boxes


class Box(NamedTuple):
    name: str
    start: int  # of the content, bytes from the start of the file
    stop: int


def picture_boxes(file: BinaryIO) -> Iterator[Box]:
    """The boxes inside the sample entries of video tracks: avcC, colr, st3d, ..."""
    level = [Box("", 0, file.seek(0, 2))]
    for name in _TO_SAMPLES:
        level = [b for outer in level for b in _inside(file, outer) if b.name == name]
        if name == "trak":
            level = [b for b in level if _is_video(file, b)]
    for table in level:
        for entry in _inside(file, table._replace(start=table.start + _STSD_HEADER)):
            start = entry.start + _VISUAL_HEADER
            yield from _inside(file, entry._replace(start=start))


def read(file: BinaryIO, box: Box) -> bytes:
    file.seek(box.start)
    return file.read(box.stop - box.start)


def replace_by(file: BinaryIO, box: Box, name: str, content: bytes = b"") -> None:
    """Puts another box in the place of `box`, and a free one in what is left."""
    start = box.start - 8
    room = box.stop - start
    if name == "free":
        data = struct.pack(">I4s", room, b"free") + bytes(room - 8)
    else:
        data = struct.pack(">I4s", 8 + len(content), name.encode()) + content
        rest = room - len(data)
        if rest < 8:
            raise ValueError(f"a {name} box does not fit into {box.name}")
        data += struct.pack(">I4s", rest, b"free") + bytes(rest - 8)
    file.seek(start)
    file.write(data)


def _inside(file: BinaryIO, outer: Box) -> Iterator[Box]:
    at = outer.start
    while at + 8 <= outer.stop:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        start = at + 8
        if size == 1:
            size = struct.unpack(">Q", file.read(8))[0]
            start += 8
        elif size == 0:
            size = outer.stop - at
        if size < 8 or at + size > outer.stop:
            return
        yield Box(name.decode("latin-1"), start, at + size)
        at += size


def _is_video(file: BinaryIO, trak: Box) -> bool:
    for mdia in _inside(file, trak):
        if mdia.name == "mdia":
            for hdlr in _inside(file, mdia):
                if hdlr.name == "hdlr":
                    return read(file, hdlr)[8:12] == b"vide"
    return False


def open_boxes(path: Path, *, change: bool = False) -> BinaryIO:
    return Path(path).open("r+b" if change else "rb")

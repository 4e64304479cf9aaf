"""Is a film whole? What its container promises against what came out of it."""

import os
from pathlib import Path

from stereojax.video.decoding import DecodeLog


def is_incomplete(path: Path, log: DecodeLog, *, to_the_end: bool) -> bool:
    """Whether picture is missing from what was decoded; `to_the_end` of the film?

    Frame counts and durations in headers are no evidence: they are often wrong, and
    sound may outlast the picture. Bytes that are not there are.
    """
    if log.stopped or log.lost:
        return True
    if not to_the_end or not is_cut(path):
        return False  # the recording of a broadcast may well end within a frame
    if log.promised:
        return log.lost_at_end > 0 or log.packets < log.promised
    return True


def is_cut(path: Path) -> bool:
    """Whether the container says that the file is longer than it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _end_of_boxes(file, size) > size
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _end_of_matroska(file) > size
        if head[:4] == b"RIFF":
            return int.from_bytes(head[4:8], "little") + 8 > size
    return False


def _end_of_boxes(file, size: int) -> int:
    """Where the last top-level box of an ISO file (MP4, MOV) ends."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:  # to the end of the file
            return size
        if len(head) < 8 or length < 8:
            return size  # trailing bytes that are no box
        end += length
    return end


def _end_of_matroska(file) -> int:
    """Where the segment of a Matroska or WebM file ends; 0 where it does not say."""
    file.seek(4)
    header, _ = _ebml_size(file)
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length, known = _ebml_size(file)
    return file.tell() + length if known else 0


def _ebml_size(file) -> tuple[int, bool]:
    """A variable-length integer; all ones mean that the size is not known."""
    first = file.read(1)[0]
    extra = 8 - first.bit_length()
    value = first & ((1 << (7 - extra)) - 1)
    value = value << (8 * extra) | int.from_bytes(file.read(extra), "big")
    return value, value != (1 << (7 * (extra + 1))) - 1

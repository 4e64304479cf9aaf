"""Is a film whole? What the bytes of its container say, against what was decoded.

Frame counts and durations in headers are no evidence that picture is missing: they are
often wrong, and sound may outlast the picture. Bytes that are not there are.
"""

from pathlib import Path
from typing import BinaryIO

from stereojax.video.reading.decoding import DecodeLog
from stereojax.video.stereo import matroska

_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def is_incomplete(log: DecodeLog, *, broken: bool) -> bool:
    """Whether picture is missing, after the film was decoded to its end.

    `broken` is what `is_broken` says. The recording of a broadcast, which has no
    index, may well end within a frame.
    """
    if log.stopped or log.lost:
        return True
    if not broken:
        return False
    if log.promised:  # what is missing may be sound, or only the index at the end
        return log.lost_at_end > 0 or log.packets < log.promised
    return True


def is_broken(path: Path) -> bool:
    """Whether the file is shorter than its container says, or makes no sense."""
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        head = file.read(16)
        if head[4:8] in _ISO_BOXES:
            return _end_of_boxes(file, size) > size
        if head[:4] == matroska.MAGIC:
            return not matroska.has_all_clusters(file, size)
        if head[:4] == b"RIFF":
            return not _is_whole_riff(file, size)
        if head[:3] == b"FLV":
            return not _is_whole_flv(file, size)
        if head == _ASF:
            return _size_by_asf(file) > size
    return False


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last top-level box of an ISO file (MP4, MOV) ends."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: to the end of the file; else no box but trailing bytes
            return size
        end += length
    return end


def _is_whole_riff(file: BinaryIO, size: int) -> bool:
    """An AVI is one RIFF chunk, above 1 GB several; in each, chunks follow chunks."""
    at = 0
    while at + 12 <= size:
        file.seek(at)
        name, length, _ = _riff_header(file)
        if name != b"RIFF":
            return True  # trailing bytes that are no chunk
        end = at + 8 + length
        if end > size:
            return False
        inner = at + 12
        while inner + 8 <= end:
            file.seek(inner)
            name, length, body = _riff_header(file)
            if not name.isascii() or body + length > end:
                return False
            inner = body + length + length % 2
        at = end
    return True


def _riff_header(file: BinaryIO) -> tuple[bytes, int, int]:
    name, length = file.read(4), int.from_bytes(file.read(4), "little")
    return name, length, file.tell()


def _is_whole_flv(file: BinaryIO, size: int) -> bool:
    """Each tag of a Flash video is followed by its length."""
    file.seek(5)
    at = int.from_bytes(file.read(4), "big") + 4
    while at < size:
        file.seek(at)
        head = file.read(11)
        length = 11 + int.from_bytes(head[1:4], "big")
        file.seek(at + length)
        if int.from_bytes(file.read(4), "big") != length:
            return False
        at += length + 4
    return True


def _size_by_asf(file: BinaryIO) -> int:
    """The file size in the header of a Windows Media file; 0 for a live recording."""
    file.seek(0)
    head = file.read(1 << 16)
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or head[at + 88 : at + 89] == b"\x01":
        return 0
    return int.from_bytes(head[at + 40 : at + 48], "little")

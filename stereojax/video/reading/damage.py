"""Detects truncated and corrupt files from their container structure.

Frame counts and durations in headers do not prove that frames are missing: they are
often wrong, and sound may be longer than the video. Missing bytes do prove it.
"""

from pathlib import Path
from typing import BinaryIO

from stereojax.video.reading import matroska
from stereojax.video.reading.decoding import DecodeLog

_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def has_missing_frames(log: DecodeLog, *, file_damaged: bool) -> bool:
    """Returns whether frames are missing from a file that was decoded to its end.

    `file_damaged` is the result of `is_file_damaged`. A broadcast recording has no
    index and often ends within a frame; that alone is not damage.
    """
    if log.demux_error or log.lost:
        return True
    if not file_damaged:
        return False
    if log.indexed_packets:  # the missing bytes may be sound or the final index
        return log.lost_at_end > 0 or log.packets < log.indexed_packets
    return True


def is_file_damaged(path: Path) -> bool:
    """Returns whether the file is shorter than its container says, or inconsistent.

    Formats without a known check count as undamaged.
    """
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        head = file.read(16)
        if head[4:8] in _ISO_BOXES:
            return _boxes_end(file, size) > size
        if head[:4] == matroska.MAGIC:
            return not matroska.has_all_clusters(file, size)
        if head[:4] == b"RIFF":
            return not _is_complete_riff(file, size)
        if head[:3] == b"FLV":
            return not _is_complete_flv(file, size)
        if head == _ASF:
            return _asf_file_size(file) > size
    return False


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Returns the offset at which the last top-level box of an MP4 or MOV ends."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file; 1-7: trailing bytes
            return size
        end += length
    return end


def _is_complete_riff(file: BinaryIO, size: int) -> bool:
    """Checks the chunks of an AVI: one RIFF chunk a GB, each a list of chunks."""
    at = 0
    while at + 12 <= size:
        file.seek(at)
        name, length, _ = _riff_header(file)
        if name != b"RIFF":
            return True  # trailing bytes, not a chunk
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


def _is_complete_flv(file: BinaryIO, size: int) -> bool:
    """Checks that each tag of a Flash video is followed by its length."""
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


def _asf_file_size(file: BinaryIO) -> int:
    """Returns the file size in a Windows Media header; 0 for a live recording."""
    file.seek(0)
    head = file.read(1 << 16)
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or head[at + 88 : at + 89] == b"\x01":
        return 0
    return int.from_bytes(head[at + 40 : at + 48], "little")

"""Does a Matroska or WebM file have all its picture? Its elements must fit together.

FFmpeg's demuxer looks for the next good cluster when it meets bytes that make no sense,
and says nothing of what it left out.
"""

from typing import BinaryIO

MAGIC = b"\x1a\x45\xdf\xa3"
_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
# What follows a cluster of unknown size at its own level.
_TOP_LEVEL = {
    _CLUSTER,
    0x114D9B74,  # SeekHead
    0x1549A966,  # Info
    0x1654AE6B,  # Tracks
    0x1C53BB6B,  # Cues
    0x1043A770,  # Chapters
    0x1254C367,  # Tags
    0x1941A469,  # Attachments
}


class _Broken(Exception):
    pass


def has_all_clusters(file: BinaryIO, size: int) -> bool:
    """Walks the headers of all elements down to the blocks of each cluster.

    `file` is opened unbuffered and `size` bytes long. A cut through what comes after
    the clusters (the index, tags) takes no picture away.
    """
    clusters = 0
    try:
        _, length, body = _element(file, 0, size)
        name, length, at = _element(file, body + length, None)
        if name != _SEGMENT:
            return False
        end = size if length is None else at + length
        while at < end:
            name, length, body = _element(file, at, None)
            if name == _CLUSTER:
                at = _walk_cluster(file, body, length, min(end, size))
                clusters += 1
            elif length is None:
                return False
            elif body + length > size:
                return clusters > 0 and name in _TOP_LEVEL
            else:
                at = body + length
    except _Broken:
        return False
    return clusters > 0


def _walk_cluster(file: BinaryIO, at: int, length: int | None, limit: int) -> int:
    """Where the cluster ends; a live recording's ends where the next element starts."""
    end = limit if length is None else at + length
    if end > limit:
        raise _Broken
    while at < end:
        name, inner, body = _element(file, at, end)
        if length is None and name in _TOP_LEVEL:
            return at
        if inner is None:
            raise _Broken
        at = body + inner
    return end


def _element(file: BinaryIO, at: int, end: int | None) -> tuple[int, int | None, int]:
    """(identifier, length or None where that is unknown, where the content starts).

    The element must end by `end`, unless that is None. There must be one.
    """
    file.seek(at)
    head = file.read(12)
    name, id_length = _number(head, 0, longest=4)
    length, size_length = _number(head, id_length, longest=8)
    body = at + id_length + size_length
    marker = 1 << (7 * size_length)
    length -= marker
    if length == marker - 1:
        return name, None, body
    if end is not None and body + length > end:
        raise _Broken
    return name, length, body


def _number(head: bytes, at: int, longest: int) -> tuple[int, int]:
    """A variable-length number with its length marker, and how many bytes it takes."""
    if at >= len(head) or not head[at]:
        raise _Broken
    length = 9 - head[at].bit_length()
    if length > longest or at + length > len(head):
        raise _Broken
    return int.from_bytes(head[at : at + length], "big"), length

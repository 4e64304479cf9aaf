"""Reads the elements of Matroska and WebM files and checks for missing clusters.

FFmpeg's demuxer skips damaged data up to the next valid cluster and reports nothing.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAGIC = b"\x1a\x45\xdf\xa3"
SEGMENT = 0x18538067
TRACKS = 0x1654AE6B
_CLUSTER = 0x1F43B675
# Elements that end a cluster of unknown size: those of the cluster's own level.
_TOP_LEVEL = {
    _CLUSTER,
    TRACKS,
    0x114D9B74,  # SeekHead
    0x1549A966,  # Info
    0x1C53BB6B,  # Cues
    0x1043A770,  # Chapters
    0x1254C367,  # Tags
    0x1941A469,  # Attachments
}


class MalformedElement(Exception):
    """Bytes that are not an element, or an element longer than its parent."""


class Element(NamedTuple):
    """One EBML element; positions are bytes from the start of the file."""

    identifier: int
    at: int  # first byte of the element's header
    start: int  # first byte of the content
    stop: int | None  # end of the content; None: unknown, as in a live recording


def read_element(file: BinaryIO, at: int, limit: int | None = None) -> Element:
    """Reads the header of the element at position `at`.

    Raises `MalformedElement` if there is none, or if it ends after `limit`.
    """
    file.seek(at)
    head = file.read(12)
    identifier, id_length = _read_number(head, 0, longest=4)
    size, size_length = _read_number(head, id_length, longest=8)
    start = at + id_length + size_length
    marker = 1 << (7 * size_length)
    size -= marker
    if size == marker - 1:  # all bits set: unknown
        return Element(identifier, at, start, None)
    if limit is not None and start + size > limit:
        raise MalformedElement
    return Element(identifier, at, start, start + size)


def whole_file(file: BinaryIO) -> Element:
    """Returns an element whose children are the top-level elements of the file."""
    return Element(0, 0, 0, file.seek(0, 2))


def children(file: BinaryIO, parent: Element) -> Iterator[Element]:
    """Yields the elements directly inside `parent`."""
    at = parent.start
    while at < parent.stop:
        element = read_element(file, at)
        yield element
        at = element.stop


def find_elements(
    file: BinaryIO, parent: Element, identifier: int
) -> Iterator[Element]:
    """Yields the elements of one kind directly inside `parent`."""
    return (e for e in children(file, parent) if e.identifier == identifier)


def has_all_clusters(file: BinaryIO, size: int) -> bool:
    """Returns whether every cluster is complete, down to the headers of its blocks.

    `file` is opened unbuffered and `size` bytes long. A cut through the elements after
    the clusters (index, tags) loses no frame and counts as complete.
    """
    clusters = 0
    try:
        header = read_element(file, 0, size)
        if header.stop is None:
            return False
        segment = read_element(file, header.stop)
        if segment.identifier != SEGMENT:
            return False
        end = size if segment.stop is None else segment.stop
        at = segment.start
        while at < end:
            element = read_element(file, at)
            if element.identifier == _CLUSTER:
                at = _walk_cluster(file, element, min(end, size))
                clusters += 1
            elif element.stop is None:
                return False
            elif element.stop > size:
                return clusters > 0 and element.identifier in _TOP_LEVEL
            else:
                at = element.stop
    except MalformedElement:
        return False
    return clusters > 0


def _walk_cluster(file: BinaryIO, cluster: Element, limit: int) -> int:
    """Returns the end of the cluster.

    A cluster of unknown size ends at the next element of its own level.
    """
    end = limit if cluster.stop is None else cluster.stop
    if end > limit:
        raise MalformedElement
    at = cluster.start
    while at < end:
        element = read_element(file, at, end)
        if cluster.stop is None and element.identifier in _TOP_LEVEL:
            return at
        if element.stop is None:
            raise MalformedElement
        at = element.stop
    return end


def _read_number(head: bytes, at: int, longest: int) -> tuple[int, int]:
    """Returns a variable-length number, with its length marker, and its byte count."""
    if at >= len(head) or not head[at]:
        raise MalformedElement
    length = 9 - head[at].bit_length()
    if length > longest or at + length > len(head):
        raise MalformedElement
    return int.from_bytes(head[at : at + length], "big"), length

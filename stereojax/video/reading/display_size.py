"""At what size a Matroska file asks to be shown: patched in place after writing.

RFC 9559: DisplayWidth and DisplayHeight are those of one view. FFmpeg's muxer writes
them where it writes StereoMode, as if pixels were square and views whole:

| layout | asked for |
|---|---|
| full | the size of one view, with the source's sample aspect |
| half | no size (DisplayUnit "unknown"): an ordinary picture, as televisions expect |
| one view | its size with the sample aspect; nothing where pixels are square |
"""

import zlib
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

from stereojax.video.stereo import stereo_tags

_SEGMENT, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_STEREO_MODE, _WIDTH, _HEIGHT, _UNIT = 0x53B8, 0x54B0, 0x54BA, 0x54B2
_CRC, _VOID = 0xBF, 0xEC
_UNKNOWN_UNIT = 4


class Element(NamedTuple):
    name: int
    at: int  # of its first byte in the file
    start: int  # of its content
    stop: int


def mode_to_write(layout: str, sample_aspect: Fraction) -> str | None:
    """The stereo_mode to give to FFmpeg's muxer, so that there is a size to patch."""
    mode = stereo_tags.stereo_mode(layout)
    return mode or ("left_right" if sample_aspect != 1 else None)


def patch(
    path: Path, layout: str, view_size: tuple[int, int], sample_aspect: Fraction
) -> None:
    """Puts the sizes right in a file that was written with `mode_to_write`."""
    with Path(path).open("r+b") as file:
        whole = Element(0, 0, 0, file.seek(0, 2))
        (segment,) = _find(file, whole, _SEGMENT)
        tracks = next(_find(file, segment, _TRACKS))
        for entry in _find(file, tracks, _ENTRY):
            for video in _find(file, entry, _VIDEO):
                _patch_track(file, video, layout, view_size, sample_aspect)
        _renew_checksum(file, tracks)


def _patch_track(
    file: BinaryIO,
    video: Element,
    layout: str,
    view_size: tuple[int, int],
    sample_aspect: Fraction,
) -> None:
    parts = {e.name: e for e in _children(file, video)}
    if _WIDTH not in parts:
        return
    if stereo_tags.stereo_mode(layout) is None:
        mode = parts[_STEREO_MODE]
        _write(file, mode.start, bytes(mode.stop - mode.start))  # 0: one view
    width, height = parts[_WIDTH], parts[_HEIGHT]
    if layout.startswith("half"):
        unit = _unsigned(_UNIT, _UNKNOWN_UNIT, 1)
        room = (width.stop - width.at) + (height.stop - height.at)
        _write(file, width.at, unit + _void(room - len(unit)))
        return
    size = (round(view_size[0] * sample_aspect), view_size[1])
    room = [e.stop - e.start for e in (width, height)]
    while any(n >= 256**r for n, r in zip(size, room, strict=True)):
        size = (size[0] // 2, size[1] // 2)  # only their ratio matters
    for element, value, count in zip((width, height), size, room, strict=True):
        _write(file, element.start, value.to_bytes(count, "big"))


def _renew_checksum(file: BinaryIO, master: Element) -> None:
    first = next(_children(file, master))
    if first.name == _CRC:
        file.seek(first.stop)
        content = file.read(master.stop - first.stop)
        _write(file, first.start, zlib.crc32(content).to_bytes(4, "little"))


def _find(file: BinaryIO, outer: Element, name: int):
    return (e for e in _children(file, outer) if e.name == name)


def _children(file: BinaryIO, outer: Element):
    at = outer.start
    while at < outer.stop:
        file.seek(at)
        head = file.read(12)
        id_length = 9 - head[0].bit_length()
        name = int.from_bytes(head[:id_length], "big")
        size_length = 9 - head[id_length].bit_length()
        size = int.from_bytes(head[id_length : id_length + size_length], "big")
        size -= 1 << (7 * size_length)
        start = at + id_length + size_length
        yield Element(name, at, start, start + size)
        at = start + size


def _unsigned(name: int, value: int, count: int) -> bytes:
    size = bytes([0x80 | count])
    return name.to_bytes(2, "big") + size + value.to_bytes(count, "big")


def _void(room: int) -> bytes:
    return bytes([_VOID, 0x80 | (room - 2)]) + bytes(room - 2)


def _write(file: BinaryIO, at: int, data: bytes) -> None:
    file.seek(at)
    file.write(data)

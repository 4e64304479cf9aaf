"""Corrects the display size in a Matroska file after FFmpeg has written it.

RFC 9559: DisplayWidth and DisplayHeight are the size of one view. FFmpeg's muxer writes
them together with StereoMode, for square pixels and full-size views. Corrected to:

| layout | display size |
|---|---|
| full | the size of one view, with the source's sample aspect |
| half | no size (DisplayUnit "unknown"): an ordinary picture, as televisions expect |
| one view | its size with the sample aspect; no size if pixels are square |
"""

import zlib
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from stereojax.video.reading.matroska import (
    SEGMENT,
    TRACKS,
    Element,
    children,
    find_elements,
    whole_file,
)
from stereojax.video.stereo import stereo_tags

_TRACK_ENTRY, _VIDEO = 0xAE, 0xE0
_STEREO_MODE, _WIDTH, _HEIGHT, _UNIT = 0x53B8, 0x54B0, 0x54BA, 0x54B2
_CRC, _VOID = 0xBF, 0xEC
_UNKNOWN_UNIT = 4


def stereo_mode_to_write(layout: str, sample_aspect: Fraction) -> str | None:
    """Returns the stereo_mode for FFmpeg's muxer, so that it reserves a size field."""
    mode = stereo_tags.stereo_mode(layout)
    return mode or ("left_right" if sample_aspect != 1 else None)


def patch_display_size(
    path: Path, layout: str, view_size: tuple[int, int], sample_aspect: Fraction
) -> None:
    """Corrects the sizes in a file written with `stereo_mode_to_write`."""
    with Path(path).open("r+b") as file:
        (segment,) = find_elements(file, whole_file(file), SEGMENT)
        tracks = next(find_elements(file, segment, TRACKS))
        for entry in find_elements(file, tracks, _TRACK_ENTRY):
            for video in find_elements(file, entry, _VIDEO):
                _patch_track(file, video, layout, view_size, sample_aspect)
        _update_checksum(file, tracks)


def _patch_track(
    file: BinaryIO,
    video: Element,
    layout: str,
    view_size: tuple[int, int],
    sample_aspect: Fraction,
) -> None:
    fields = {e.identifier: e for e in children(file, video)}
    if _WIDTH not in fields:
        return
    if stereo_tags.stereo_mode(layout) is None:
        mode = fields[_STEREO_MODE]
        _write(file, mode.start, bytes(mode.stop - mode.start))  # 0: mono
    width, height = fields[_WIDTH], fields[_HEIGHT]
    if layout.startswith("half"):
        # The two size fields make room for DisplayUnit and padding.
        unit = _unsigned(_UNIT, _UNKNOWN_UNIT, 1)
        length = (width.stop - width.at) + (height.stop - height.at)
        _write(file, width.at, unit + _void(length - len(unit)))
        return
    size = (round(view_size[0] * sample_aspect), view_size[1])
    lengths = [e.stop - e.start for e in (width, height)]
    while any(n >= 256**count for n, count in zip(size, lengths, strict=True)):
        size = (size[0] // 2, size[1] // 2)  # players use only the ratio
    for element, value, count in zip((width, height), size, lengths, strict=True):
        _write(file, element.start, value.to_bytes(count, "big"))


def _update_checksum(file: BinaryIO, parent: Element) -> None:
    """Recomputes the CRC-32 element of `parent`, if it has one: its first child."""
    first = next(children(file, parent))
    if first.identifier == _CRC:
        file.seek(first.stop)
        content = file.read(parent.stop - first.stop)
        _write(file, first.start, zlib.crc32(content).to_bytes(4, "little"))


def _unsigned(identifier: int, value: int, count: int) -> bytes:
    """Returns an element that holds `value` in `count` bytes."""
    size = bytes([0x80 | count])
    return identifier.to_bytes(2, "big") + size + value.to_bytes(count, "big")


def _void(length: int) -> bytes:
    """Returns a padding element of `length` bytes in all."""
    return bytes([_VOID, 0x80 | (length - 2)]) + bytes(length - 2)


def _write(file: BinaryIO, at: int, data: bytes) -> None:
    file.seek(at)
    file.write(data)

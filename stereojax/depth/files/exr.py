"""Reads the depth channel of an OpenEXR picture.

Decodes scanlines without compression, with RLE or with ZIP, and channels of any name:
FFmpeg's decoder knows colour channels only, and the usual name of depth is Z. Tiles and
PIZ are decoded by FFmpeg. Follows the file layout of openexr.com.
"""

import dataclasses
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from stereojax.cli import InputError

MAGIC = b"\x76\x2f\x31\x01"
TILED, DEEP, MULTIPART = 0x200, 0x800, 0x1000
COMPRESSIONS = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA")
LINES = {"none": 1, "RLE": 1, "ZIPS": 1, "ZIP": 16}  # per chunk
TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
# Channels by the last part of their name in lower case, in order of preference.
PREFERRED = ("disparity", "depth", "z", "y", "v", "r")


@dataclasses.dataclass(frozen=True)
class Channel:
    name: str
    type: np.dtype


def read_exr(path: Path) -> np.ndarray:
    """Returns the (h, w) float32 depth channel: Z, depth, Y, R or the only channel.

    Raises:
      InputError: the file is no OpenEXR picture, is truncated, or has no such channel.
    """
    data = path.read_bytes()
    if data[:4] != MAGIC:
        raise InputError(f"{path}: not an OpenEXR file")
    try:
        return _read(data, path)
    except (struct.error, zlib.error, IndexError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged or truncated: {error!r}") from error


def _read(data: bytes, path: Path) -> np.ndarray:
    (flags,) = struct.unpack_from("<i", data, 4)
    if flags & (DEEP | MULTIPART):
        raise InputError(f"{path}: deep or multi-part; expected a flat picture")
    header, offset = _header(data)
    channels = _channels(header["channels"])
    chosen = _choose(channels, path)
    code = header["compression"][0]
    compression = COMPRESSIONS[code] if code < len(COMPRESSIONS) else f"number {code}"
    if compression not in (*LINES, "PIZ"):
        raise InputError(
            f"{path}: compression {compression} is lossy or unknown; save with ZIP"
        )
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    if flags & TILED or compression not in LINES:
        return _with_ffmpeg(data, path, chosen)
    lines = LINES[compression]
    picture = np.empty((height, width), np.float32)
    row_bytes = width * sum(c.type.itemsize for c in channels)
    skip = width * sum(c.type.itemsize for c in channels[: channels.index(chosen)])
    for k in range(-(-height // lines)):
        (start,) = struct.unpack_from("<Q", data, offset + 8 * k)
        y, size = struct.unpack_from("<2i", data, start)
        count = min(lines, height - (y - top))
        raw = data[start + 8 : start + 8 + size]
        if compression != "none" and size < row_bytes * count:
            raw = _undo_prediction(
                _decode_rle(raw) if compression == "RLE" else zlib.decompress(raw)
            )
        rows = np.frombuffer(raw, np.uint8).reshape(count, row_bytes)
        values = rows[:, skip : skip + width * chosen.type.itemsize]
        picture[y - top : y - top + count] = values.copy().view(chosen.type)
    return picture


def _header(data: bytes) -> tuple[dict[str, bytes], int]:
    """Returns the bytes of each attribute, and the offset of the header's end."""
    header, offset = {}, 8
    while data[offset]:
        name, offset = _text(data, offset)
        _, offset = _text(data, offset)
        (size,) = struct.unpack_from("<i", data, offset)
        header[name] = data[offset + 4 : offset + 4 + size]
        offset += 4 + size
    return header, offset + 1


def _text(data: bytes, offset: int) -> tuple[str, int]:
    end = data.index(b"\0", offset)
    return data[offset:end].decode("latin-1"), end + 1


def _channels(data: bytes) -> list[Channel]:
    channels, offset = [], 0
    while data[offset]:
        name, offset = _text(data, offset)
        kind, _, across, down = struct.unpack_from("<iIii", data, offset)
        if (across, down) != (1, 1):
            raise ValueError(f"channel {name} is subsampled")
        channels.append(Channel(name, TYPES[kind]))
        offset += 16
    return channels


def _choose(channels: list[Channel], path: Path) -> Channel:
    if len(channels) == 1:
        return channels[0]
    by_name = {c.name.split(".")[-1].lower(): c for c in reversed(channels)}
    for name in PREFERRED:
        if name in by_name:
            return by_name[name]
    raise InputError(
        f"{path}: no channel called Z, depth, disparity, Y or R, but "
        + ", ".join(c.name for c in channels)
    )


def _decode_rle(data: bytes) -> bytes:
    """Decodes RLE: -n and n literal bytes, or n and one byte to repeat n + 1 times."""
    out, offset = bytearray(), 0
    while offset < len(data):
        (count,) = struct.unpack_from("<b", data, offset)
        if count < 0:
            out += data[offset + 1 : offset + 1 - count]
            offset += 1 - count
        else:
            out += data[offset + 1 : offset + 2] * (count + 1)
            offset += 2
    return bytes(out)


def _undo_prediction(data: bytes) -> bytes:
    """Integrates the byte differences and interleaves the even and the odd bytes."""
    steps = np.frombuffer(data, np.uint8).astype(np.int64)
    steps[1:] -= 128
    values = np.cumsum(steps).astype(np.uint8)
    even = -(-len(values) // 2)
    out = np.empty_like(values)
    out[0::2], out[1::2] = values[:even], values[even:]
    return out.tobytes()


def _with_ffmpeg(data: bytes, path: Path, chosen: Channel) -> np.ndarray:
    import av

    advice = "save scanlines with ZIP compression"
    if chosen.name not in ("Y", "R") or chosen.type == TYPES[0]:
        raise InputError(
            f"{path}: cannot read channel {chosen.name} in tiles or PIZ; {advice}"
        )
    try:
        codec = av.CodecContext.create("exr", "r")
        frame = (codec.decode(av.Packet(data)) + codec.decode(None))[0]
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {advice}") from error
    # FFmpeg's planar RGB has the order green, blue, red.
    plane: Any = frame.planes[0 if frame.format.name.startswith("gray") else 2]
    kind = np.dtype("<f2") if "f16" in frame.format.name else np.dtype("<f4")
    rows = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
    row = np.ascontiguousarray(rows[:, : frame.width * kind.itemsize])
    return row.view(kind).astype(np.float32)

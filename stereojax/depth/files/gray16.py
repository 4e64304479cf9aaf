"""Lossless 16-bit gray video: FFV1 in Matroska, every frame a key frame.

FFmpeg's decoder raises no error for a damaged frame and returns what it can decode, so
the caller keeps a checksum of each frame's packet.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from stereojax.cli import RunError
from stereojax.shapes import Shaped

MILLISECOND = Fraction(1, 1000)  # Matroska's clock, as FFmpeg writes it


def milliseconds(times_s: Iterable[float]) -> tuple[int, ...]:
    """Returns frame times in ticks of Matroska's clock, strictly increasing.

    `read` seeks to a frame by its time, so no two frames may have the same.
    """
    ticks: list[int] = []
    for time in times_s:
        tick = round(float(time) * 1000)
        ticks.append(max(tick, ticks[-1] + 1) if ticks else tick)
    return tuple(ticks)


def write(
    path: Path, frames: Shaped[np.ndarray, "t h w"], ticks: Sequence[int]
) -> list[int]:
    """Writes uint16 frames at `ticks` (milliseconds, >= 0).

    Returns:
      The CRC-32 of each frame's packet.
    """
    import av

    _, height, width = frames.shape
    options = {"level": "3", "g": "1", "slicecrc": "1"}
    options["slices"] = "4" if min(width, height) > 1 else "1"
    bitexact = {"fflags": "+bitexact"}  # no random identifiers: reproducible bytes
    checksums: list[int] = []
    with av.open(path, "w", format="matroska", options=bitexact) as container:
        stream = container.add_stream("ffv1", options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "gray16le"
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        stream.thread_type = "SLICE"  # each frame's packet comes without delay
        for codes, tick in zip(frames, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(codes), format="gray16le"
            )
            frame.pts, frame.time_base = tick, MILLISECOND
            packets = stream.encode(frame)
            checksums += [zlib.crc32(bytes(packet)) for packet in packets]
            container.mux(packets)
    return checksums


def concatenate(
    paths: Iterable[Path], ticks: Iterable[Sequence[int]], output: Path
) -> None:
    """Copies the packets of `paths` into one file, at the times in `ticks`."""
    import av

    bitexact = {"fflags": "+bitexact"}
    with av.open(output, "w", format="matroska", options=bitexact) as joined:
        target = None
        for path, times in zip(paths, ticks, strict=True):
            with av.open(path) as part:
                source = part.streams.video[0]
                if target is None:
                    target = joined.add_stream_from_template(source)
                packets = [p for p in part.demux(source) if p.size]
                if len(packets) != len(times):
                    raise RunError(
                        f"{path}: {len(packets)} frames, expected {len(times)}; "
                        "delete the file and run the command again"
                    )
                for packet, tick in zip(packets, times, strict=True):
                    packet.pts = packet.dts = tick
                    packet.time_base, packet.stream = MILLISECOND, target
                    joined.mux(packet)


def read(
    path: Path,
    ticks: Sequence[int],
    checksums: Sequence[int],
    start: int,
    stop: int,
) -> Iterator[Shaped[np.ndarray, "h w"]]:
    """Yields uint16 frames `start` to `stop - 1`, each checked.

    Args:
      path: file of `write` or `concatenate`.
      ticks: times of all frames of the file, in milliseconds.
      checksums: CRC-32 of all frames' packets.
      start, stop: range of frames.

    Raises:
      RunError: a frame is missing or damaged.
    """
    import av

    if start >= stop:
        return
    position, cause = start, None
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"  # each packet's frame comes without delay
            # Seeks to the last frame at or before the time: exactly the frame `start`.
            container.seek(ticks[start], stream=stream)
            for packet in container.demux(stream):
                tick, checksum = packet.pts, zlib.crc32(bytes(packet))
                if (tick, checksum) != (ticks[position], checksums[position]):
                    break
                yield packet.decode()[0].to_ndarray()
                position += 1
                if position == stop:
                    return
    except (av.error.FFmpegError, IndexError, TypeError) as error:
        cause = error
    raise RunError(f"{path}: frame {position} is missing or damaged") from cause

"""Reads the packets of all segments as one stream with the source's timestamps."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stereojax.cli import RunError, line_of
from stereojax.stage_types import VideoIndex


class SegmentReader:
    """Reads segment files that together hold the frames of `index`, in order.

    `rate`: frames per second of the segments' frame numbers. `shift`: source ticks that
    are time 0 of the output. A context manager.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        index: VideoIndex,
        rate: Fraction,
        shift: int = 0,
    ):
        if not paths:
            raise RunError("no segments to join")
        self._paths = [Path(p) for p in paths]
        self._rate = rate
        self._tick = index.info.time_base
        self._pts = [int(p) - shift for p in index.pts]
        self._durations = [int(d) for d in np.diff(index.pts)] + [index.last_duration]

    def __enter__(self) -> "SegmentReader":
        self._first = _open(self._paths[0])
        self.template = self._first.streams.video[0]
        # The largest number of frames by which coding order differs from display order.
        self._delay = self.template.codec_context.reorder_depth
        self._extradata = self.template.codec_context.extradata
        return self

    def __exit__(self, *_: object) -> None:
        self._first.close()

    def packets(self) -> Iterator[av.Packet]:
        """Yields all packets in decoding order, with times in ticks of the index."""
        position = 0
        for path in self._paths:
            first = position
            for number, packet in self._read(path):
                frame = first + number
                if frame >= len(self._pts):
                    raise RunError(f"{path}: more frames than the source has")
                packet.pts = self._pts[frame]
                packet.dts = self._decoding_time(position)
                packet.duration = self._durations[frame]
                packet.time_base = self._tick
                if packet.dts > packet.pts:
                    raise RunError(f"{path}: frames are coded out of order")
                yield packet
                position += 1
        if position != len(self._pts):
            raise RunError(
                f"the segments hold {position} frames, the source {len(self._pts)}"
            )

    def _decoding_time(self, position: int) -> int:
        early = self._delay - position
        if early <= 0:
            return self._pts[-early]
        return self._pts[0] - early * self._durations[0]

    def _read(self, path: Path) -> Iterator[tuple[int, av.Packet]]:
        """Yields (frame number within the segment, packet)."""
        with _open(path) as container:
            stream = container.streams.video[0]
            if stream.codec_context.extradata != self._extradata:
                raise RunError(
                    f"{path}: was encoded with other settings than"
                    f" {self._paths[0].name}; remove the work folder"
                )
            for packet in container.demux(stream):
                if packet.size:
                    # Times are frame numbers, which Matroska rounded to 1 ms.
                    yield round(packet.pts * packet.time_base * self._rate), packet


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(f"file:{path}")
    except (av.error.FFmpegError, OSError) as error:
        raise RunError(f"{path}: segment cannot be read: {line_of(error)}") from error

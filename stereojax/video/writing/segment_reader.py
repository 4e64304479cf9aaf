"""Reads the encoded packets of all segments as one stream, with the source's times."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stereojax.cli import RunError, line_of
from stereojax.stage_types import VideoIndex


class SegmentReader:
    """Reads segment files that together hold the frames of `index`, in order.

    Use as a context manager.

    Args:
      paths: the segment files, in order.
      index: the frame index of the source.
      rate: frame rate of the segment files.
      shift: timestamp of the source that becomes time 0 of the output, in ticks.
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
        self._time_base = index.info.time_base
        self._pts = [int(p) - shift for p in index.pts]
        self._durations = [int(d) for d in np.diff(index.pts)] + [index.last_duration]

    def __enter__(self) -> "SegmentReader":
        self._first = _open(self._paths[0])
        self.template = self._first.streams.video[0]
        # The largest number of frames by which coding order differs from display order.
        self._reorder_depth = self.template.codec_context.reorder_depth
        self._extradata = self.template.codec_context.extradata
        return self

    def __exit__(self, *_: object) -> None:
        self._first.close()

    def packets(self) -> Iterator[av.Packet]:
        """Yields all packets in decoding order, with times in ticks of the source."""
        position = 0
        for path in self._paths:
            first = position
            for number, packet in self._read(path):
                frame = first + number
                if frame >= len(self._pts):
                    raise RunError(
                        f"{path}: the segments hold more frames than the source"
                    )
                packet.pts = self._pts[frame]
                packet.dts = self._decoding_time(position)
                packet.duration = self._durations[frame]
                packet.time_base = self._time_base
                if packet.dts > packet.pts:
                    raise RunError(f"{path}: frames are coded out of order")
                yield packet
                position += 1
        if position != len(self._pts):
            raise RunError(
                f"the segments hold {position} frames;"
                f" expected {len(self._pts)}, as in the source"
            )

    def _decoding_time(self, position: int) -> int:
        """Returns the decoding time, in ticks, of the packet number `position`.

        It is the presentation time of the frame `reorder_depth` positions earlier. The
        first packets have no such frame; their times precede the first frame's.
        """
        earlier = position - self._reorder_depth
        if earlier >= 0:
            return self._pts[earlier]
        return self._pts[0] + earlier * self._durations[0]

    def _read(self, path: Path) -> Iterator[tuple[int, av.Packet]]:
        """Yields (frame number within the segment, packet)."""
        with _open(path) as container:
            stream = container.streams.video[0]
            if stream.codec_context.extradata != self._extradata:
                raise RunError(
                    f"{path}: its encoder settings differ from those of"
                    f" {self._paths[0].name}; remove the work folder"
                )
            for packet in container.demux(stream):
                if packet.size:
                    # The time is the frame number / rate, rounded by Matroska to 1 ms.
                    yield round(packet.pts * packet.time_base * self._rate), packet


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(f"file:{path}")
    except (av.error.FFmpegError, OSError) as error:
        raise RunError(
            f"{path}: the segment cannot be read: {line_of(error)}"
        ) from error

"""Defines the time range of the source that is written, and shifts packets to it."""

import dataclasses
from fractions import Fraction

import av

from stereojax.stage_types import VideoIndex

# A broadcast stream that starts later than this many seconds is shifted to start at 0.
_LATE_START_S = 10


@dataclasses.dataclass(frozen=True)
class TimeRange:
    """The time range of the source that is written, in seconds of the source.

    The output shows `start` at time 0. `stop` is None for a whole video.
    """

    start: Fraction
    stop: Fraction | None

    @classmethod
    def whole(cls, source: av.container.InputContainer) -> "TimeRange":
        """Returns the range of a whole file; a late broadcast is shifted to 0."""
        begin = Fraction(source.start_time or 0, av.time_base)
        broadcast = source.format.name in ("mpegts", "mpeg")
        late = broadcast and begin > _LATE_START_S
        return cls(begin if late else Fraction(0), None)

    @classmethod
    def of_index(cls, index: VideoIndex) -> "TimeRange":
        """Returns the time during which the frames of `index` are displayed."""
        tick = index.info.time_base
        stop = int(index.pts[-1]) + index.last_duration
        return cls(int(index.pts[0]) * tick, stop * tick)

    @property
    def is_excerpt(self) -> bool:
        """Whether the range is only a part of the source, to which packets are cut."""
        return self.stop is not None

    def is_past(self, packet: av.Packet, margin: int) -> bool:
        """Returns whether the packet is more than `margin` seconds after the range."""
        time = packet.dts if packet.dts is not None else packet.pts
        return self.is_excerpt and time * packet.time_base > self.stop + margin

    def chapters(self, chapters: list[dict]) -> list[dict]:
        """Returns the chapters in the range, cut to it, in output times."""
        result = []
        for chapter in chapters:
            unit = chapter["time_base"]
            first = chapter["start"] * unit
            last = chapter["end"] * unit
            if self.is_excerpt:
                first, last = max(first, self.start), min(last, self.stop)
                if last <= first:
                    continue
            result.append(
                chapter
                | {
                    "start": round((first - self.start) / unit),
                    "end": round((last - self.start) / unit),
                }
            )
        return result


def shift_packet(
    packet: av.Packet, time_range: TimeRange, *, trim: bool = False
) -> bool:
    """Shifts a packet to output times; returns False if it is outside the range.

    Args:
      trim: shorten a packet that is partly inside the range, such as a subtitle, to
        the inside; otherwise a packet that starts before the range is outside.
    """
    tick = packet.time_base
    if packet.pts is None:
        packet.pts = packet.dts
    if packet.dts is None:
        packet.dts = packet.pts
    if not time_range.is_excerpt:
        offset = round(time_range.start / tick)
        packet.pts -= offset
        packet.dts -= offset
        return True
    begin, length = packet.pts * tick, (packet.duration or 0) * tick
    if begin >= time_range.stop:
        return False
    if begin < time_range.start:
        if not (trim and begin + length > time_range.start):
            return False
        length -= time_range.start - begin
        begin = time_range.start
    if trim:
        length = min(length, time_range.stop - begin)
        packet.duration = round(length / tick)
    offset = round(begin / tick) - packet.pts - round(time_range.start / tick)
    packet.pts += offset
    packet.dts += offset
    return True


def to_stream(packet: av.Packet, out: av.stream.Stream) -> None:
    """Assigns the packet to `out` and converts its times to that stream's ticks."""
    ratio = Fraction(packet.time_base) / Fraction(out.time_base)
    packet.stream, packet.time_base = out, Fraction(out.time_base)
    packet.duration = round((packet.duration or 0) * ratio)
    packet.dts = None if packet.dts is None else round(packet.dts * ratio)
    packet.pts = None if packet.pts is None else round(packet.pts * ratio)

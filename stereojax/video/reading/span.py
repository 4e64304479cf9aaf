"""Which part of the source is written, and where it lies on the output's clock."""

import dataclasses
from fractions import Fraction

import av

from stereojax.stage_types import VideoIndex

_LATE_S = 10


@dataclasses.dataclass(frozen=True)
class Span:
    """The part of the source that is written, in seconds; `start` becomes 0.

    A whole film has no end here, and nothing of it is cut.
    """

    start: Fraction
    stop: Fraction | None

    @classmethod
    def whole(cls, source: av.container.InputContainer) -> "Span":
        """The clock of a broadcast may start anywhere: late ones are set to 0."""
        begin = Fraction(source.start_time or 0, av.time_base)
        broadcast = source.format.name in ("mpegts", "mpeg")
        late = broadcast and begin > _LATE_S
        return cls(begin if late else Fraction(0), None)

    @classmethod
    def of(cls, index: VideoIndex) -> "Span":
        """What is shown of the film while the frames of `index` are."""
        tick = index.info.time_base
        stop = int(index.pts[-1]) + index.last_duration
        return cls(int(index.pts[0]) * tick, stop * tick)

    @property
    def trims(self) -> bool:
        return self.stop is not None

    def is_behind(self, packet: av.Packet, margin: int) -> bool:
        """Whether the packet comes so much later that nothing wanted follows."""
        time = packet.dts if packet.dts is not None else packet.pts
        return self.trims and time * packet.time_base > self.stop + margin

    def chapters(self, chapters: list[dict]) -> list[dict]:
        """Those that lie in the span, cut to it."""
        kept = []
        for chapter in chapters:
            unit = chapter["time_base"]
            first = chapter["start"] * unit
            last = chapter["end"] * unit
            if self.trims:
                first, last = max(first, self.start), min(last, self.stop)
                if last <= first:
                    continue
            kept.append(
                chapter
                | {
                    "start": round((first - self.start) / unit),
                    "end": round((last - self.start) / unit),
                }
            )
        return kept


def place(packet: av.Packet, span: Span, *, stretch: bool = False) -> bool:
    """Moves the packet to the output's clock; False where it is outside the span.

    `stretch`: one that began before the span and lasts into it is shown from 0 on.
    """
    tick = packet.time_base
    if packet.pts is None:
        packet.pts = packet.dts
    if packet.dts is None:
        packet.dts = packet.pts
    if not span.trims:
        move = round(span.start / tick)
        packet.pts -= move
        packet.dts -= move
        return True
    begin, length = packet.pts * tick, (packet.duration or 0) * tick
    if begin >= span.stop:
        return False
    if begin < span.start:
        if not (stretch and begin + length > span.start):
            return False
        length -= span.start - begin
        begin = span.start
    if stretch:
        length = min(length, span.stop - begin)
        packet.duration = round(length / tick)
    move = round(begin / tick) - packet.pts - round(span.start / tick)
    packet.pts += move
    packet.dts += move
    return True


def to_stream(packet: av.Packet, out: av.stream.Stream) -> None:
    """Makes it a packet of `out`, its times in the ticks of that stream."""
    ratio = Fraction(packet.time_base) / Fraction(out.time_base)
    packet.stream, packet.time_base = out, Fraction(out.time_base)
    packet.duration = round((packet.duration or 0) * ratio)
    packet.dts = None if packet.dts is None else round(packet.dts * ratio)
    packet.pts = None if packet.pts is None else round(packet.pts * ratio)

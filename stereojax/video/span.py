"""Which part of the source is written, and where it lies on the output's clock."""

import dataclasses
from fractions import Fraction

import av


@dataclasses.dataclass(frozen=True)
class Span:
    """The part of the source that is written, in seconds; `start` becomes 0.

    A whole film keeps its clock: start 0, no end, and nothing is cut.
    """

    start: Fraction
    stop: Fraction | None

    @classmethod
    def whole(cls) -> "Span":
        return cls(Fraction(0), None)

    @property
    def trims(self) -> bool:
        return self.stop is not None

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

"""What happens to every other stream of the source: copied, converted or left out.

Copied wherever the output's container can hold it. Sound that it cannot hold is encoded
anew, text subtitles become the container's own kind, and what is left out is named.
"""

import io
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import av
from av.stream import Discard, Disposition

from stereojax.video.reading.span import Span, place, to_stream
from stereojax.video.writing.metadata import describe
from stereojax.video.writing.recode import NEW_SOUND, NEW_TEXT, Recoded, Retitled


@runtime_checkable
class Carrier(Protocol):
    """Takes one stream's packets and gives those of the output."""

    def packets(self, packet: av.Packet) -> Iterator[av.Packet]: ...

    def flush(self) -> Iterator[av.Packet]: ...


def carry(
    source: av.container.InputContainer,
    picture: av.VideoStream,
    target: av.container.OutputContainer,
    span: Span,
) -> tuple[dict[int, Carrier], list[str]]:
    """Adds an output stream for every stream but `picture`.

    Returns the carriers by the source's stream index, and notes for the user.
    """
    carriers: dict[int, Carrier] = {}
    notes: list[str] = []
    for stream in source.streams:
        if stream.index == picture.index:
            stream.discard = Discard.all
            continue
        if _is_made_by_muxer(stream) or stream.disposition & Disposition.attached_pic:
            continue
        carrier, note = _carrier(stream, target, span)
        if note:
            notes.append(note)
        if carrier is not None:
            carriers[stream.index] = carrier
    return carriers, notes


def _carrier(
    stream: av.stream.Stream, target: av.container.OutputContainer, span: Span
) -> tuple[Carrier | None, str]:
    name, kind = _name(stream), target.format.name
    if stream.type == "video":
        return None, f"left out: {name}, a second picture"
    if holds(stream, kind):
        if stream.type == "attachment":
            describe(stream, target.add_stream_from_template(stream))
            return None, ""
        return Copied(stream, target, span), ""
    if stream.type == "audio" and stream.codec_context is not None:
        codec = NEW_SOUND.get(kind, "aac")
        carrier = Recoded(stream, target, span, codec)
        return carrier, f"encoded anew as {codec}: {name}, which {kind} cannot hold"
    if stream.type == "subtitle" and getattr(stream.codec, "text_sub", False):
        codec = NEW_TEXT[kind]
        carrier = Retitled(stream, target, span, codec)
        return carrier, f"converted to {codec}: {name}, which {kind} cannot hold"
    return None, f"left out: {name}, which {kind} cannot hold"


def holds(stream: av.stream.Stream, kind: str) -> bool:
    """Whether a container of this kind takes the stream: tried, not looked up."""
    try:
        with av.open(io.BytesIO(), "w", format=kind) as trial:
            out = _add_copy(stream, trial)
            trial.start_encoding()
            if _codec(stream).startswith("pcm_"):
                # MP4 finds out about the channels only with samples to describe.
                packet = av.Packet(bytes(64 * stream.channels))
                packet.stream, packet.pts, packet.dts = out, 0, 0
                packet.time_base = out.time_base
                trial.mux(packet)
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _add_copy(
    stream: av.stream.Stream, target: av.container.OutputContainer
) -> av.stream.Stream:
    out = target.add_stream_from_template(stream, opaque=True)
    if stream.type == "audio" and "channels" in stream.layout.name:
        # So many channels, no word on where: MP4 wants to know.
        out.codec_context.layout = _USUAL_LAYOUTS.get(stream.channels, "stereo")
    return out


_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1"}
_USUAL_LAYOUTS |= {7: "6.1", 8: "7.1"}


def _is_made_by_muxer(stream: av.stream.Stream) -> bool:
    """Chapter titles and time codes of MP4: written again from the metadata."""
    if stream.type != "data":
        return False
    return stream.discard == Discard.all or "timecode" in stream.metadata


def _name(stream: av.stream.Stream) -> str:
    language = stream.metadata.get("language", "")
    language = f" ({language})" if language not in ("", "und") else ""
    return f"{stream.type} stream {stream.index}, {_codec(stream)}{language}"


def _codec(stream: av.stream.Stream) -> str:
    context = stream.codec_context
    if context is not None:
        return context.codec.canonical_name
    return getattr(stream, "name", None) or "unknown codec"


class Copied:
    """Packets as they are, on the output's clock."""

    def __init__(
        self,
        stream: av.stream.Stream,
        target: av.container.OutputContainer,
        span: Span,
    ):
        self._span = span
        self._subtitle = stream.type == "subtitle"
        self.out = _add_copy(stream, target)
        self.out.time_base = stream.time_base
        describe(stream, self.out)
        self._last: int | None = None

    def packets(self, packet: av.Packet) -> Iterator[av.Packet]:
        if place(packet, self._span, stretch=self._subtitle):
            self._settle(packet)
            yield packet

    def flush(self) -> Iterator[av.Packet]:
        yield from ()

    def _settle(self, packet: av.Packet) -> None:
        """Muxers refuse a stream whose clock stands still or steps back."""
        to_stream(packet, self.out)
        if self._last is not None and packet.dts <= self._last:
            packet.dts = self._last + 1
            packet.pts = max(packet.pts, packet.dts)
        self._last = packet.dts

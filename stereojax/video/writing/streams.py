"""Copies or converts the source's other streams (sound, subtitles) to the output.

A stream is copied if the output's container can hold it. Otherwise sound is encoded
again and text subtitles are converted to the container's format. Notes name every
stream that is converted or left out.
"""

import io
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import av
from av.stream import Discard, Disposition

from stereojax.video.writing.metadata import copy_tags
from stereojax.video.writing.time_range import TimeRange, shift_packet, to_stream
from stereojax.video.writing.transcode import (
    AUDIO_CODECS,
    SUBTITLE_CODECS,
    AudioTranscoder,
    SubtitleTranscoder,
)


@runtime_checkable
class StreamProcessor(Protocol):
    """Converts the packets of one source stream to packets of the output."""

    def packets(self, packet: av.Packet) -> Iterator[av.Packet]: ...

    def flush(self) -> Iterator[av.Packet]: ...


def add_streams(
    source: av.container.InputContainer,
    video: av.VideoStream,
    target: av.container.OutputContainer,
    time_range: TimeRange,
) -> tuple[dict[int, StreamProcessor], list[str]]:
    """Adds an output stream for every stream except `video`.

    Returns the processors by source stream index, and notes for the user.
    """
    processors: dict[int, StreamProcessor] = {}
    notes: list[str] = []
    for stream in source.streams:
        if stream.index == video.index:
            stream.discard = Discard.all
            continue
        if _is_made_by_muxer(stream) or stream.disposition & Disposition.attached_pic:
            continue
        processor, note = _processor(stream, target, time_range)
        if note:
            notes.append(note)
        if processor is not None:
            processors[stream.index] = processor
    return processors, notes


def _processor(
    stream: av.stream.Stream,
    target: av.container.OutputContainer,
    time_range: TimeRange,
) -> tuple[StreamProcessor | None, str]:
    name, container = _name(stream), target.format.name
    if stream.type == "video":
        return None, f"left out: {name}, a second video stream"
    if can_hold(stream, container):
        if stream.type == "attachment":
            copy_tags(stream, target.add_stream_from_template(stream))
            return None, ""
        return StreamCopier(stream, target, time_range), ""
    if stream.type == "audio" and stream.codec_context is not None:
        codec = AUDIO_CODECS.get(container, "aac")
        processor = AudioTranscoder(stream, target, time_range, codec)
        note = f"encoded again as {codec}: {name}, which {container} cannot hold"
        return processor, note
    if stream.type == "subtitle" and getattr(stream.codec, "text_sub", False):
        codec = SUBTITLE_CODECS[container]
        processor = SubtitleTranscoder(stream, target, time_range, codec)
        return processor, f"converted to {codec}: {name}, which {container} cannot hold"
    return None, f"left out: {name}, which {container} cannot hold"


def can_hold(stream: av.stream.Stream, container: str) -> bool:
    """Returns whether a container format can hold the stream, by writing a trial."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            out = _add_copy(stream, trial)
            trial.start_encoding()
            if _codec(stream).startswith("pcm_"):
                # MP4 checks the channel layout only when samples are written.
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
        # The stream has a channel count but no layout, which MP4 needs.
        out.codec_context.layout = _DEFAULT_LAYOUTS.get(stream.channels, "stereo")
    return out


_DEFAULT_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1"}
_DEFAULT_LAYOUTS |= {7: "6.1", 8: "7.1"}


def _is_made_by_muxer(stream: av.stream.Stream) -> bool:
    """Returns whether `stream` is a chapter or time-code track of an MP4 file.

    Muxers write such tracks themselves.
    """
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


class StreamCopier:
    """Copies packets, and shifts their times to the start of the output."""

    def __init__(
        self,
        stream: av.stream.Stream,
        target: av.container.OutputContainer,
        time_range: TimeRange,
    ):
        self._time_range = time_range
        self._subtitle = stream.type == "subtitle"
        self.out = _add_copy(stream, target)
        self.out.time_base = stream.time_base
        copy_tags(stream, self.out)
        self._last: int | None = None

    def packets(self, packet: av.Packet) -> Iterator[av.Packet]:
        if shift_packet(packet, self._time_range, trim=self._subtitle):
            self._make_increasing(packet)
            yield packet

    def flush(self) -> Iterator[av.Packet]:
        yield from ()

    def _make_increasing(self, packet: av.Packet) -> None:
        """Makes decoding times strictly increasing, as muxers require."""
        to_stream(packet, self.out)
        if self._last is not None and packet.dts <= self._last:
            packet.dts = self._last + 1
            packet.pts = max(packet.pts, packet.dts)
        self._last = packet.dts

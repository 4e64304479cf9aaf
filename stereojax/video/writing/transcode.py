"""Converts sound and subtitles that the output's container cannot hold."""

from collections.abc import Iterator
from fractions import Fraction

import av
import av.filter
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import SubtitleSet

from stereojax.video.writing.metadata import copy_tags
from stereojax.video.writing.time_range import TimeRange, shift_packet, to_stream

AUDIO_CODECS = {"webm": "libopus"}  # other containers: aac
SUBTITLE_CODECS = {
    "matroska": "subrip",
    "webm": "webvtt",
    "mp4": "mov_text",
    "mov": "mov_text",
}
_BITS_PER_CHANNEL = 128_000
_MAX_BITS = 512_000
# Header of text subtitles whose source has none.
_DEFAULT_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, \
BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, \
BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


class AudioTranscoder:
    """Decodes and encodes sound; gaps in the source become silence."""

    def __init__(
        self,
        stream: av.AudioStream,
        target: av.container.OutputContainer,
        time_range: TimeRange,
        codec: str,
    ):
        self._time_range = time_range
        rates = av.codec.Codec(codec, "w").audio_rates or [stream.rate]
        rate = min(rates, key=lambda r: (r < stream.rate, abs(r - stream.rate)))
        layout = _layout(codec, stream, rate)
        self._out = target.add_stream(codec, rate=rate, layout=layout)
        channels = self._out.codec_context.channels
        self._out.bit_rate = min(_BITS_PER_CHANNEL * channels, _MAX_BITS)
        copy_tags(stream, self._out)
        self._graph: av.filter.Graph | None = None

    def packets(self, packet: av.Packet) -> Iterator[av.Packet]:
        if not shift_packet(packet, self._time_range):
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return  # a damaged packet becomes silence
        for frame in frames:
            if self._graph is None:
                self._graph = self._open_graph(frame)
            self._graph.push(frame)
            yield from self._encode_ready()

    def flush(self) -> Iterator[av.Packet]:
        if self._graph is None:
            return
        self._graph.push(None)
        yield from self._encode_ready()
        for packet in self._out.encode(None):
            to_stream(packet, self._out)
            yield packet

    def _open_graph(self, frame: av.AudioFrame) -> av.filter.Graph:
        context = self._out.codec_context
        graph = av.filter.Graph()
        nodes = [
            graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=frame.time_base,
            ),
            graph.add("aresample", f"{context.sample_rate}:async=1"),
            graph.add(
                "aformat",
                f"sample_fmts={context.format.name}"
                f":channel_layouts={context.layout.name}",
            ),
            graph.add("asetnsamples", f"n={context.frame_size or 1024}:p=0"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        return graph

    def _encode_ready(self) -> Iterator[av.Packet]:
        """Yields packets for the samples that the filter graph has ready."""
        while True:
            try:
                frame = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            for packet in self._out.encode(frame):
                to_stream(packet, self._out)
                yield packet


def _layout(codec: str, stream: av.AudioStream, rate: int) -> str:
    """Returns the source's channel layout if the encoder supports it, else stereo."""
    trial = av.codec.Codec(codec, "w").create("audio")
    trial.sample_rate = rate
    trial.layout = stream.layout.name
    trial.format = av.codec.Codec(codec, "w").audio_formats[0].name
    trial.time_base = Fraction(1, rate)
    try:
        trial.open()
    except (ValueError, av.error.FFmpegError):
        return "stereo"
    return stream.layout.name


class SubtitleTranscoder:
    """Converts text subtitles to the container's format; keeps italics and so on."""

    def __init__(
        self,
        stream: SubtitleStream,
        target: av.container.OutputContainer,
        time_range: TimeRange,
        codec: str,
    ):
        self._time_range = time_range
        self._decoder = stream.codec_context
        self._decoder.open(strict=False)
        self._out = target.add_stream(codec)
        self._out.time_base = Fraction(1, 1000)
        self._out.codec_context.time_base = Fraction(1, 1000)
        header = self._decoder.subtitle_header
        self._out.codec_context.subtitle_header = header or _DEFAULT_HEADER
        copy_tags(stream, self._out)

    def packets(self, packet: av.Packet) -> Iterator[av.Packet]:
        if not shift_packet(packet, self._time_range, trim=True):
            return
        decoded = self._decoder.decode2(packet)
        lines = [line.ass for line in decoded or () if getattr(line, "ass", b"")]
        if not lines:
            return
        length = packet.duration * packet.time_base * 1000
        begin = packet.pts * packet.time_base * 1000
        for line in lines:
            text = SubtitleSet.create(line, 0, round(length), round(begin * 1000))
            out = self._out.codec_context.encode_subtitle(text)
            out.time_base = Fraction(1, 1000)
            out.pts = out.dts = round(begin)
            out.duration = round(length)
            to_stream(out, self._out)
            yield out

    def flush(self) -> Iterator[av.Packet]:
        yield from ()

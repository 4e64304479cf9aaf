"""Streams that the output's container cannot hold, in a form that it can."""

from collections.abc import Iterator
from fractions import Fraction

import av
import av.filter
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import SubtitleSet

from stereojax.video.reading.span import Span, place, to_stream
from stereojax.video.writing.metadata import describe

NEW_SOUND = {"webm": "libopus"}  # any other container: aac
NEW_TEXT = {
    "matroska": "subrip",
    "webm": "webvtt",
    "mp4": "mov_text",
    "mov": "mov_text",
}
_BITS_PER_CHANNEL = 128_000
_MAX_BITS = 512_000
# What a text subtitle looks like where the source does not say.
_STYLE = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, \
BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, \
BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


class Recoded:
    """Sound decoded and encoded again; gaps in the source become silence."""

    def __init__(
        self,
        stream: av.AudioStream,
        target: av.container.OutputContainer,
        span: Span,
        codec: str,
    ):
        self._span = span
        rates = av.codec.Codec(codec, "w").audio_rates or [stream.rate]
        rate = min(rates, key=lambda r: (r < stream.rate, abs(r - stream.rate)))
        layout = _layout(codec, stream, rate)
        self._out = target.add_stream(codec, rate=rate, layout=layout)
        channels = self._out.codec_context.channels
        self._out.bit_rate = min(_BITS_PER_CHANNEL * channels, _MAX_BITS)
        describe(stream, self._out)
        self._graph: av.filter.Graph | None = None

    def packets(self, packet: av.Packet) -> Iterator[av.Packet]:
        if not place(packet, self._span):
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return  # one damaged packet: silence for as long
        for frame in frames:
            if self._graph is None:
                self._graph = self._start(frame)
            self._graph.push(frame)
            yield from self._encoded()

    def flush(self) -> Iterator[av.Packet]:
        if self._graph is None:
            return
        self._graph.push(None)
        yield from self._encoded()
        for packet in self._out.encode(None):
            to_stream(packet, self._out)
            yield packet

    def _start(self, frame: av.AudioFrame) -> av.filter.Graph:
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

    def _encoded(self) -> Iterator[av.Packet]:
        while True:
            try:
                frame = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            for packet in self._out.encode(frame):
                to_stream(packet, self._out)
                yield packet


def _layout(codec: str, stream: av.AudioStream, rate: int) -> str:
    """The source's channels if the encoder takes them, else stereo."""
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


class Retitled:
    """Text subtitles in the container's own kind; italics and the like survive."""

    def __init__(
        self,
        stream: SubtitleStream,
        target: av.container.OutputContainer,
        span: Span,
        codec: str,
    ):
        self._span = span
        self._decoder = stream.codec_context
        self._decoder.open(strict=False)
        self._out = target.add_stream(codec)
        self._out.time_base = Fraction(1, 1000)
        self._out.codec_context.time_base = Fraction(1, 1000)
        header = self._decoder.subtitle_header
        self._out.codec_context.subtitle_header = header or _STYLE
        describe(stream, self._out)

    def packets(self, packet: av.Packet) -> Iterator[av.Packet]:
        if not place(packet, self._span, stretch=True):
            return
        shown = self._decoder.decode2(packet)
        lines = [line.ass for line in shown or () if getattr(line, "ass", b"")]
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

"""Writes test videos with sound, subtitles, chapters, fonts and a cover."""

import io
from fractions import Fraction
from pathlib import Path

import av
import clips
import numpy as np
from av.stream import Disposition
from av.subtitles.subtitle import SubtitleSet

SCRIPT = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, \
BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, \
BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
LINES = ((100, 400, "Hello {\\i1}there{\\i0} you"), (500, 900, "Two\\Nlines"))  # ms
FONT = b"FONT" * 50
LANGUAGES = ("eng", "fra", "ita")


def write_rich_film(
    path: Path,
    *,
    frames: int = 24,
    sound: tuple[str, ...] = ("aac", "ac3"),
    subtitles: tuple[str, ...] = (),
    font: bool = False,
    cover: bool = False,
    sound_delay: Fraction = Fraction(0),
    size: tuple[int, int] = (48, 32),
) -> Path:
    """Writes a video at 24 frames per second, with the given streams, and chapters."""
    with av.open(str(path), "w") as out:
        out.metadata.update(title="A film", artist="Someone", comment="hello")
        video = out.add_stream("libx264", rate=24)
        video.width, video.height = size
        video.metadata["language"] = "eng"
        sounds = [_add_sound(out, codec, i) for i, codec in enumerate(sound)]
        texts = [_add_text(out, codec, i) for i, codec in enumerate(subtitles)]
        art = _add_cover(out) if cover else None
        if font:
            out.add_attachment("font.ttf", "application/x-truetype-font", FONT)
        out.set_chapters([chapter(0, 500, "One"), chapter(500, 1000, "Two")])
        out.start_encoding()
        if art is not None:
            out.mux(art)
        for text in texts:
            _write_text(out, text)
        for i in range(frames):
            image = clips.picture(i, *size)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 24)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        for stream in sounds:
            _write_sound(out, stream, frames / 24, sound_delay)
    return path


def chapter(start: int, end: int, title: str) -> dict:
    unit = Fraction(1, 1000)
    return {
        "id": start + 1,
        "start": start,
        "end": end,
        "time_base": unit,
        "metadata": {"title": title},
    }


def jpeg() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(clips.picture(0, 32, 24), "rgb24")
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return buffer.getvalue()


def _add_sound(out, codec: str, number: int):
    stream = out.add_stream(codec, rate=48000, layout="stereo")
    language = LANGUAGES[number % len(LANGUAGES)]
    stream.metadata.update(language=language, title=f"Track {number}")
    return stream


def _write_sound(out, stream, seconds: float, delay: Fraction) -> None:
    context = stream.codec_context
    wave = np.sin(np.arange(round(48000 * seconds)) / 20) * 0.3
    frame = av.AudioFrame.from_ndarray(
        np.stack([wave, wave]).astype(np.float32), "fltp", layout="stereo"
    )
    frame.sample_rate, frame.pts = 48000, round(48000 * delay)
    frame.time_base = Fraction(1, 48000)
    resampler = av.AudioResampler(
        context.format.name, "stereo", 48000, frame_size=context.frame_size or 1024
    )
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        out.mux(stream.encode(piece))
    out.mux(stream.encode())


def _add_text(out, codec: str, number: int):
    stream = out.add_stream(codec)
    stream.metadata["language"] = LANGUAGES[number % len(LANGUAGES)]
    stream.codec_context.subtitle_header = SCRIPT
    return stream


def _write_text(out, stream) -> None:
    for start, stop, text in LINES:
        line = f"0,0,Default,,0,0,0,,{text}".encode()
        subtitle = SubtitleSet.create(line, 0, stop - start, start * 1000)
        packet = stream.codec_context.encode_subtitle(subtitle)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = start
        packet.duration = stop - start
        out.mux(packet)


def _add_cover(out) -> av.Packet | None:
    if out.format.name == "matroska":
        out.add_attachment("cover.jpg", "image/jpeg", jpeg())
        return None
    with av.open(io.BytesIO(jpeg()), format="jpeg_pipe") as picture:
        stream = out.add_stream_from_template(picture.streams.video[0], opaque=True)
        stream.disposition = Disposition.attached_pic
    packet = av.Packet(jpeg())
    packet.stream, packet.time_base = stream, Fraction(1, 90000)
    packet.pts = packet.dts = 0
    packet.is_keyframe = True
    return packet

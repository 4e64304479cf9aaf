"""Writes small test videos in many formats, with PyAV."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

QUIET = {"libx265": {"x265-params": "log-level=none"}}
CUT_COLORS = ((200, 60, 40), (40, 80, 200), (60, 190, 70), (230, 220, 90))


def picture(
    number: int, width: int = 64, height: int = 48, scene: int = 0
) -> np.ndarray:
    """Returns a test picture (h, w, 3) uint8, distinct for each number and scene."""
    y, x = np.mgrid[:height, :width]
    base = np.array(CUT_COLORS[scene % len(CUT_COLORS)])
    wave = 30 * np.sin((x + 2 * number) / 7)[..., None] * np.array([1, 0.6, -0.8])
    image = base + wave + 15 * np.cos(y / 5)[..., None]
    left = 3 * number % max(1, width - 8)
    image[height // 3 : height // 3 + 8, left : left + 8] = 255 - base
    return np.clip(image, 0, 255).astype(np.uint8)


def write_film(
    path: Path,
    images: Iterable[np.ndarray] | int = 24,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rate: int | Fraction = 24,
    options: dict[str, str] | None = None,
    times: list[int] | None = None,
    time_base: Fraction | None = None,
    rotation: float = 0,
    flip: bool = False,
    aspect: Fraction | None = None,
    tags: dict[str, int] | None = None,
    sound_s: float = 0,
    cover: bool = False,
    container_options: dict[str, str] | None = None,
    container_format: str | None = None,
) -> Path:
    """Writes a video; `images` are RGB pictures, or the number of `picture`s.

    `times` are pts in `time_base` (default: 1 / `rate`). A player must apply
    `rotation`, in degrees clockwise, then `flip`. `tags` are the codec context's
    color_primaries, color_trc, colorspace and color_range.
    """
    if isinstance(images, int):
        images = [picture(i) for i in range(images)]
    images = list(images)
    height, width = images[0].shape[:2]
    options = {**QUIET.get(codec, {}), **(options or {})}
    with av.open(
        str(path), "w", format=container_format, options=container_options or {}
    ) as out:
        if cover:
            art = out.add_stream("png", rate=1)
            art.width, art.height, art.pix_fmt = 32, 32, "rgb24"
            art.disposition = Disposition.attached_pic
        stream = out.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        if time_base:
            stream.codec_context.time_base = time_base
        if rotation or flip:
            stream.set_display_rotation(-rotation, hflip=flip)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        sound = out.add_stream("aac", rate=44100) if sound_s else None
        if cover:
            frame = av.VideoFrame.from_ndarray(picture(0, 32, 32), "rgb24")
            for packet in [*art.encode(frame), *art.encode()]:
                packet.stream = art
                out.mux(packet)
        for i, image in enumerate(images):
            frame = to_frame(image, pixel_format, tags or {})
            frame.pts = times[i] if times else i
            frame.time_base = time_base or 1 / Fraction(rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if sound:
            write_sound(out, sound, sound_s)
    return path


def to_frame(
    image: np.ndarray, pixel_format: str, tags: dict[str, int]
) -> av.VideoFrame:
    source = "rgb24" if image.dtype == np.uint8 else "rgb48le"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), source)
    return frame.reformat(
        format=pixel_format,
        dst_colorspace=tags.get("colorspace", 5),
        dst_color_range=tags.get("color_range", 1),
    )


def write_sound(out, stream, seconds: float) -> None:
    done = 0
    while done < seconds * 44100:
        wave = np.sin(np.arange(done, done + 1024) / 30).astype(np.float32) * 0.1
        frame = av.AudioFrame.from_ndarray(wave[None], "fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, done
        out.mux(stream.encode(frame))
        done += 1024
    out.mux(stream.encode())


def write_sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        write_sound(out, out.add_stream("aac", rate=44100), 1)
    return path


def shorten(source: Path, target: Path, share: float) -> Path:
    """Writes the first `share` of the bytes of `source` to `target`."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def linear(path: Path) -> list[av.VideoFrame]:
    """Returns all frames, decoded from the start without the reader."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """Returns the samples of each plane, without the padding of its lines."""
    result = []
    for plane in frame.planes:
        lines = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        result.append(lines[:, : plane.line_size - _padding(frame, plane)].copy())
    return result


def _padding(frame: av.VideoFrame, plane) -> int:
    depth = max(c.bits for c in frame.format.components)
    used = plane.width * (2 if depth > 8 else 1)
    if not frame.format.is_planar:
        used = plane.width * frame.format.padded_bits_per_pixel // 8
    return plane.line_size - used

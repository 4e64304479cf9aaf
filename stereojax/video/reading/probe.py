"""Reads a video's properties: size, rate, rotation, color tags, HDR10 metadata."""

import dataclasses
import math
import struct
from fractions import Fraction
from pathlib import Path

import av
from av.format import Flags
from av.sidedata.sidedata import Type as SideDataType

from stereojax import cli
from stereojax.stage_types import Color, VideoInfo
from stereojax.video.color import rgb
from stereojax.video.color.pixel_formats import bit_depth, is_gray, is_rgb
from stereojax.video.color.siting import siting_of
from stereojax.video.reading.container import open_video

# A stream without a decodable frame in so many packets counts as corrupt.
_MAX_PACKETS = 500


def probe(path: Path) -> VideoInfo:
    """Returns the video's properties, from its headers and its first frame.

    Raises `cli.InputError`, one line that names the file, if it has no video to decode:
    missing, directory, empty, not a video, audio only, unknown codec.
    """
    path = Path(path)
    with open_video(path) as (container, stream):
        frame = _first_frame(container, stream, path)
        if not (frame.width and frame.height):
            raise cli.InputError(f"{path}: its video stream has no picture size")
        rotation, mirrored = _orientation(frame)
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        width, height = frame.width, frame.height
        if rotation % 180:
            width, height, aspect = height, width, 1 / aspect
        name = frame.format.name
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            frame_rate=_frame_rate(container, stream),
            time_base=Fraction(stream.time_base),
            duration=_duration(container, stream),
            pixel_format=name,
            bit_depth=bit_depth(name),
            rotation=rotation,
            mirrored=mirrored,
            sample_aspect=aspect,
            color=_color(frame, stream, path),
        )


def start_tick(path: Path) -> int:
    """Returns the start time of the video stream, in ticks of its time base."""
    with open_video(path) as (_, stream):
        return stream.start_time or 0


def _first_frame(container, stream, path: Path) -> av.VideoFrame:
    last_error: Exception | None = None
    try:
        for count, packet in enumerate(container.demux(stream)):
            try:
                for frame in packet.decode():
                    return frame
            except av.error.FFmpegError as error:
                last_error = error
            if count > _MAX_PACKETS:
                break
    except av.error.FFmpegError as error:
        last_error = error
    raise cli.InputError(
        f"{path}: not one frame of its {stream.codec_context.name} video can be"
        " decoded; the file is corrupt or truncated"
    ) from last_error


def _orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """Returns (degrees clockwise, mirrored) of the display matrix.

    A frame is first rotated, then mirrored left to right. The matrix is 3x3, int32, row
    by row; its upper left 2x2 (16.16 fixed point) maps coded to displayed positions:
    x' = a x + c y, y' = b x + d y.
    """
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return 0, False
    a, b, _, c, d = struct.unpack("<9i", bytes(data)[:36])[:5]
    mirrored = a * d - b * c < 0
    if mirrored:  # remove the mirror, which is applied last: x' = -x'
        a, c = -a, -c
    degrees = math.degrees(math.atan2(b, a))
    return round(degrees / 90) * 90 % 360, mirrored


def _frame_rate(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Fraction:
    rates = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if container.format.flags & Flags.no_timestamps.value:
        # The average rate is then FFmpeg's default of 25, not a measurement.
        rates = rates[1:]
    return next((Fraction(rate) for rate in rates if rate), Fraction(25))


def _duration(container, stream) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def _color(frame: av.VideoFrame, stream: av.VideoStream, path: Path) -> Color:
    name = frame.format.name
    context = stream.codec_context

    def tag(of_frame: int, of_stream: int) -> int:
        return int(of_stream if of_frame == 2 else of_frame)  # 2: unknown

    color_range = frame.color_range or context.color_range
    # Gray without a tag is full range, as in FFmpeg.
    full = color_range == 2 if color_range else is_gray(name) or is_rgb(name)
    color = Color(
        primaries=tag(frame.color_primaries, context.color_primaries),
        transfer=tag(frame.color_trc, context.color_trc),
        matrix=tag(frame.colorspace, context.colorspace),
        full_range=full,
    )
    if not rgb.is_supported(color.matrix, name):
        raise cli.InputError(
            f"{path}: color matrix {color.matrix} (ITU-T H.273) is not supported;"
            " convert the film to BT.709 or BT.2020 first"
        )
    siting = siting_of(frame, context.name)
    return dataclasses.replace(color, siting=siting, **_hdr10(frame))


def _hdr10(frame: av.VideoFrame) -> dict[str, str]:
    """Returns the HDR10 fields of `Color` that the frame's side data sets."""
    fields = {}
    data = frame.side_data.get(SideDataType.MASTERING_DISPLAY_METADATA)
    if data is not None:
        # AVMasteringDisplayMetadata: RGB primaries, white point, min and max
        # luminance as 10 rationals, then two flags.
        numbers = struct.unpack("<22i", bytes(data)[:88])
        values = [
            n / d if d else 0.0
            for n, d in zip(numbers[:20:2], numbers[1:20:2], strict=True)
        ]
        if all(numbers[20:]):
            red, green, blue, white = (
                "({},{})".format(*(round(v * 50000) for v in values[i : i + 2]))
                for i in (0, 2, 4, 6)
            )
            low, high = (round(v * 10000) for v in values[8:10])
            fields["mastering_display"] = (
                f"G{green}B{blue}R{red}WP{white}L({high},{low})"
            )
    data = frame.side_data.get(SideDataType.CONTENT_LIGHT_LEVEL)
    if data is not None:
        peak, average = struct.unpack("<2I", bytes(data)[:8])
        if peak or average:
            fields["content_light"] = f"{peak},{average}"
    return fields

"""Chooses codec, pixel format and quality of an output video.

Defaults are visually lossless: H.264 up to 4096 pixels per side (the limit of hardware
decoders), HEVC for larger pictures or more than 8 bits. `Encoding` holds everything
that affects the encoder's output, so its hash identifies stored segments.
"""

import dataclasses
from fractions import Fraction

from stereojax.cli import InputError
from stereojax.stage_types import Color, VideoInfo
from stereojax.video.color import pixel_formats, rgb
from stereojax.video.stereo import layouts
from stereojax.video.writing.codecs import (
    CODECS,
    CONTAINERS,
    encoder_options,
    resolve_crf,
)
from stereojax.video.writing.formats import (
    HDR_TRANSFERS,
    check_format,
    chroma_subsampling,
    default_format,
    same_planes,
)

_H264_LIMIT = 4096  # pixels per side


@dataclasses.dataclass(frozen=True)
class Encoding:
    """Codec, format and options for the packed pictures of one output."""

    codec: str  # a key of CODECS
    pixel_format: str
    options: tuple[tuple[str, str], ...]  # for the encoder, sorted by name
    width: int  # of the packed picture
    height: int
    view_size: tuple[int, int]  # width, height of one view, before it is packed
    rate: Fraction  # frames per second, for rate control only
    sample_aspect: Fraction
    color: Color
    layout: str
    container: str  # the output's suffix, ".mp4"
    # (x, y) of the left view in the packed picture if its decoded planes can be copied.
    left_corner: tuple[int, int] | None
    notes: tuple[str, ...] = ()  # messages for the user, one line each

    @property
    def encoder(self) -> str:
        return CODECS[self.codec].encoder


def choose_encoding(
    info: VideoInfo,
    layout: str,
    *,
    codec: str | None = None,
    crf: float | None = None,
    pixel_format: str | None = None,
    container: str = ".mkv",
) -> Encoding:
    """Returns the encoding for the source `info`, packed in `layout`.

    Bit depth, primaries, transfer, matrix and range are the source's. Untagged sources
    get the tags that the reader assumed.

    Raises:
      InputError: the combination is impossible; the message names the flag.
    """
    size = layouts.packed_size(info.width, info.height, layout)
    container = container.lower()
    if container not in CONTAINERS:
        raise InputError(
            f"--output: a file of type {container or '(none)'} cannot be written;"
            f" expected one of {', '.join(CONTAINERS)}"
        )
    codec = codec or _default_codec(info, size, container)
    if codec not in CODECS:
        raise InputError(f"--codec={codec}: expected one of {', '.join(CODECS)}")
    if container not in CODECS[codec].containers:
        raise InputError(
            f"--codec={codec}: {container} files cannot hold it; use"
            f" {' or '.join(CODECS[codec].containers)}, or another codec"
        )
    note = ""
    if pixel_format is None:
        pixel_format, note = default_format(info, layout, codec, size)
    check_format(pixel_format, codec, layout, size)
    color = _output_color(info, pixel_format)
    crf = resolve_crf(codec, crf)
    rate = _coding_rate(info.frame_rate)
    return Encoding(
        codec=codec,
        pixel_format=pixel_format,
        options=encoder_options(codec, crf, rate, size, color, layout),
        width=size[0],
        height=size[1],
        view_size=(info.width, info.height),
        rate=rate,
        sample_aspect=info.sample_aspect,
        color=color,
        layout=layout,
        container=container,
        left_corner=_untouched_corner(info, layout, pixel_format),
        notes=(note,) if note else (),
    )


def _default_codec(info: VideoInfo, size: tuple[int, int], container: str) -> str:
    if container == ".webm":
        return "av1"
    deep = info.bit_depth > 8 or info.color.transfer in HDR_TRANSFERS
    return "hevc" if deep or max(size) > _H264_LIMIT else "h264"


def _output_color(info: VideoInfo, pixel_format: str) -> Color:
    color = rgb.with_default_tags(info.color, info.height)
    if pixel_formats.is_rgb(pixel_format):
        return dataclasses.replace(color, matrix=0, full_range=True)
    if pixel_formats.is_rgb(info.pixel_format):
        bt2020 = color.primaries == 9
        matrix = 9 if bt2020 else rgb.with_default_tags(Color(), info.height).matrix
        return dataclasses.replace(color, matrix=matrix, full_range=False)
    return color


def _untouched_corner(
    info: VideoInfo, layout: str, pixel_format: str
) -> tuple[int, int] | None:
    """Returns `Encoding.left_corner`."""
    corner = layouts.left_corner(info.width, info.height, layout)
    rotated = info.rotation or info.mirrored
    if corner is None or rotated or not same_planes(info.pixel_format, pixel_format):
        return None
    across, down = chroma_subsampling(pixel_format)
    # A chroma sample must not belong to both views.
    if layout == "left_right_files":
        return corner
    split = info.height % down if layout == "full_tb" else info.width % across
    return None if split else corner


def _coding_rate(rate: Fraction) -> Fraction:
    """Returns the frame rate, clipped to the encoders' range, for rate control."""
    rate = min(max(Fraction(rate), Fraction(1)), Fraction(240))
    return rate.limit_denominator(1001)

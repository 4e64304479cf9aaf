"""Which codec, pixel format and quality a converted video gets.

Defaults are what a viewer calls lossless. H.264 up to 4096 pixels a side (what players'
hardware decodes), HEVC above and for more than 8 bits. Everything that decides the
encoder's output is in `Encoding`, so its hash can name the work done with it.
"""

import dataclasses
import math
from fractions import Fraction

import av

from stereojax.cli import InputError
from stereojax.stage_types import Color, VideoInfo
from stereojax.video import color as colors
from stereojax.video import layouts, pixels, stereo_tags

CONTAINERS = (".mkv", ".mp4", ".m4v", ".mov", ".webm")
_HDR_TRANSFERS = (16, 18)  # ITU-T H.273: PQ and HLG
_H264_LIMIT = 4096


@dataclasses.dataclass(frozen=True)
class _Codec:
    encoder: str
    containers: tuple[str, ...]
    crf: float | None  # default; None: lossless
    worst_crf: float
    max_bits: int
    options: tuple[tuple[str, str], ...]


# Threads are fixed, and not taken from the machine, because frame threads change an
# encoder's decisions: a film resumed elsewhere would not be the same film.
CODECS = {
    "h264": _Codec(
        "libx264", (".mkv", ".mp4", ".m4v", ".mov"), 16, 51, 10, (("preset", "medium"),)
    ),
    "hevc": _Codec(
        "libx265", (".mkv", ".mp4", ".m4v", ".mov"), 16, 51, 12, (("preset", "fast"),)
    ),
    "av1": _Codec(
        "libsvtav1", (".mkv", ".mp4", ".m4v", ".webm"), 18, 63, 10, (("preset", "8"),)
    ),
    "ffv1": _Codec(
        "ffv1",
        (".mkv", ".mp4"),
        None,
        0,
        16,
        (("level", "3"), ("slices", "4"), ("slicecrc", "1"), ("g", "1")),
    ),
}
_X264_THREADS = 8
_X265_FRAME_THREADS = 3


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How the packed pictures of one output are coded."""

    codec: str  # a key of CODECS
    pixel_format: str
    options: tuple[tuple[str, str], ...]  # for the encoder, sorted by name
    width: int  # of the packed picture
    height: int
    rate: Fraction  # frames per second as told to the encoder; not the timestamps
    sample_aspect: Fraction
    color: Color
    layout: str
    container: str  # the output's suffix, ".mp4"
    left_corner: tuple[int, int] | None  # (x, y) where decoded planes go in untouched
    notes: tuple[str, ...] = ()  # what the user should know, one line each

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
    """The encoding of `info` in `layout`; `InputError` names the flag that cannot be.

    The bit depth is the source's, and so are primaries, transfer, matrix and range;
    untagged sources are tagged with what the reader assumed.
    """
    width, height = layouts.packed_size(info.width, info.height, layout)
    container = container.lower()
    if container not in CONTAINERS:
        raise InputError(
            f"--output: a file of type {container or '(none)'} cannot be written;"
            f" expected one of {', '.join(CONTAINERS)}"
        )
    deep = info.bit_depth > 8 or info.color.transfer in _HDR_TRANSFERS
    if codec is None:
        codec = _default_codec(width, height, deep, container)
    chosen = CODECS.get(codec)
    if chosen is None:
        raise InputError(f"--codec={codec}: expected one of {', '.join(CODECS)}")
    if container not in chosen.containers:
        raise InputError(
            f"--codec={codec}: {container} files cannot hold it; use"
            f" {' or '.join(chosen.containers)}, or another codec"
        )
    notes: list[str] = []
    if pixel_format is None:
        pixel_format = _default_format(info, layout, codec, (width, height), notes)
    _check_format(pixel_format, codec, layout, (width, height))
    color = _output_color(info, pixel_format)
    return Encoding(
        codec=codec,
        pixel_format=pixel_format,
        options=_options(codec, _checked_crf(codec, crf), color, layout, info),
        width=width,
        height=height,
        rate=_coding_rate(info.frame_rate),
        sample_aspect=info.sample_aspect,
        color=color,
        layout=layout,
        container=container,
        left_corner=_untouched_corner(info, layout, pixel_format),
        notes=tuple(notes),
    )


def _default_codec(width: int, height: int, deep: bool, container: str) -> str:
    if container == ".webm":
        return "av1"
    return "hevc" if deep or max(width, height) > _H264_LIMIT else "h264"


def _default_format(
    info: VideoInfo,
    layout: str,
    codec: str,
    size: tuple[int, int],
    notes: list[str],
) -> str:
    own = planar_format(info.pixel_format)
    bits = pixels.bit_depth(own)
    if codec == "ffv1":
        if layout == "anaglyph" and not pixels.is_rgb(own):
            return _yuv("444", bits)
        return own
    if info.color.transfer in _HDR_TRANSFERS:
        bits = max(bits, 10)
    bits = min(_next(bits, (8, 10, 12)), CODECS[codec].max_bits)
    if layout == "anaglyph":
        # Colors differ from pixel to pixel here: halved chroma shows each eye the other
        # one's picture.
        return _yuv("444", bits)
    if codec != "av1" and (size[0] % 2 or size[1] % 2):
        notes.append(
            f"{size[0]}x{size[1]} is odd, which 4:2:0 cannot hold: written as 4:4:4,"
            " which some players' hardware does not decode"
        )
        return _yuv("444", bits)
    if own.startswith(("yuv422", "yuv444", "yuv440")) or pixels.is_rgb(own):
        notes.append(
            f"color resolution is halved ({info.pixel_format} to {_yuv('420', bits)}),"
            " as players' hardware needs; --pixel_format keeps more"
        )
    return _yuv("420", bits)


def _next(bits: int, steps: tuple[int, ...]) -> int:
    return next((s for s in steps if s >= bits), steps[-1])


def _yuv(chroma: str, bits: int) -> str:
    return f"yuv{chroma}p" + ("" if bits == 8 else f"{bits}le")


def planar_format(pixel_format: str) -> str:
    """The format that FFV1 holds without loss: planar, no alpha, little-endian."""
    if pixels.is_rgb(pixel_format):
        bits = pixels.bit_depth(pixel_format)
        return "bgr0" if bits == 8 else f"gbrp{_next(bits, (9, 10, 12, 14, 16))}le"
    layout = av.VideoFormat(pixel_format, 64, 64).components
    bits = max(c.bits for c in layout)
    bits = 8 if bits <= 8 else _next(bits, (9, 10, 12, 14, 16))
    if len(layout) < 3:
        return "gray" if bits == 8 else f"gray{bits}le"
    chroma = {
        (64, 64): "444",
        (64, 32): "440",
        (32, 64): "422",
        (32, 32): "420",
        (16, 64): "411",
        (16, 16): "410",
    }[layout[1].width, layout[1].height]
    return _yuv(chroma if bits == 8 or chroma != "440" else "444", bits)


def _check_format(name: str, codec: str, layout: str, size: tuple[int, int]) -> None:
    formats = [
        f.name
        for f in av.codec.Codec(CODECS[codec].encoder, "w").video_formats
        if not f.name.startswith(("yuvj", "nv", "yuva", "gbrap", "ya", "gray"))
        or (codec == "ffv1" and f.name.startswith("gray"))
    ]
    if name not in formats:
        raise InputError(
            f"--pixel_format={name}: {codec} takes {', '.join(formats[:12])}"
        )
    components = av.VideoFormat(name, 64, 64).components
    across, down = (
        (64 // components[1].width, 64 // components[1].height)
        if len(components) > 1
        else (1, 1)
    )
    if layout == "anaglyph" and (across, down) != (1, 1):
        raise InputError(
            f"--layout=anaglyph needs full color resolution, and {name} halves it:"
            " use --codec=h264, hevc or ffv1 with a 4:4:4 format"
        )
    if codec in ("h264", "hevc") and (size[0] % across or size[1] % down):
        raise InputError(
            f"--pixel_format={name}: a picture of {size[0]}x{size[1]} is not a whole"
            f" number of its {across}x{down} color samples; use yuv444p"
        )


def _output_color(info: VideoInfo, pixel_format: str) -> Color:
    color = colors.assumed(info.color, info.height)
    if pixels.is_rgb(pixel_format):
        return dataclasses.replace(color, matrix=0, full_range=True)
    if pixels.is_rgb(info.pixel_format):
        bt2020 = color.primaries == 9
        matrix = 9 if bt2020 else colors.assumed(Color(), info.height).matrix
        return dataclasses.replace(color, matrix=matrix, full_range=False)
    return color


def _untouched_corner(
    info: VideoInfo, layout: str, pixel_format: str
) -> tuple[int, int] | None:
    """Where the decoded left frame can be pasted plane by plane: no RGB in between."""
    corner = layouts.left_corner(info.width, info.height, layout)
    if (
        corner is None
        or info.rotation
        or not same_planes(info.pixel_format, pixel_format)
    ):
        return None
    chroma = av.VideoFormat(pixel_format, 64, 64).components[-1]
    aligned = {
        "full_tb": info.height % (64 // chroma.height) == 0,
        "left_right_files": True,
    }.get(layout, info.width % (64 // chroma.width) == 0)
    return corner if aligned else None


def same_planes(source: str, target: str) -> bool:
    """Whether the target's planes hold what the source's first planes hold."""

    def planes(name: str) -> list[tuple[int, ...]]:
        parts = av.VideoFormat(name, 64, 64).components
        return [(c.bits, c.plane, c.width, c.height) for c in parts]

    a, b = av.VideoFormat(source, 64, 64), av.VideoFormat(target, 64, 64)
    return (
        all(f.is_planar and not f.is_rgb for f in (a, b))
        and a.is_big_endian == b.is_big_endian
        and planes(source)[: len(planes(target))] == planes(target)
    )


def _checked_crf(codec: str, crf: float | None) -> float | None:
    chosen = CODECS[codec]
    if crf is None:
        return chosen.crf
    if chosen.crf is None:
        raise InputError(f"--crf={crf:g}: {codec} is lossless and has no quality")
    if not (math.isfinite(crf) and 0 <= crf <= chosen.worst_crf):
        raise InputError(
            f"--crf={crf:g}: {codec} takes 0 (best) to {chosen.worst_crf:g}"
        )
    if codec == "av1" and crf != int(crf):
        raise InputError(f"--crf={crf:g}: av1 takes whole numbers")
    return crf


def _coding_rate(rate: Fraction) -> Fraction:
    """Within what encoders accept; rate control only, frames keep their own times."""
    rate = min(max(Fraction(rate), Fraction(1)), Fraction(240))
    return rate.limit_denominator(1001)


def _options(
    codec: str, crf: float | None, color: Color, layout: str, info: VideoInfo
) -> tuple[tuple[str, str], ...]:
    options = dict(CODECS[codec].options)
    if crf is not None:
        options["crf"] = f"{crf:g}"
        # A keyframe at least every 5 s, so that players seek quickly.
        options["g"] = str(max(1, round(5 * _coding_rate(info.frame_rate))))
    if codec == "h264":
        params = {"threads": _X264_THREADS, "lookahead-threads": 1} | _siting(color)
        packing = stereo_tags.frame_packing(layout)
        if packing is not None:
            params["frame-packing"] = packing
        options["x264-params"] = _joined(params)
    if codec == "hevc":
        params = {
            "frame-threads": _X265_FRAME_THREADS,
            "open-gop": 0,
            "log-level": "error",
        } | _siting(color)
        if color.mastering_display:
            params |= {"master-display": color.mastering_display, "hdr10": 1}
        if color.content_light:
            params |= {"max-cll": color.content_light, "hdr10": 1}
        options["x265-params"] = _joined(params)
    if codec == "av1":
        params = {}
        if color.mastering_display:
            params["mastering-display"] = _as_svt(color.mastering_display)
        if color.content_light:
            params["content-light"] = color.content_light
        if params:
            options["svtav1-params"] = _joined(params)
    return tuple(sorted(options.items()))


def _siting(color: Color) -> dict[str, int]:
    """Where chroma lies, by the numbers that H.264 and HEVC share; left is implied."""
    known = ("left", "center", "topleft", "top", "bottomleft", "bottom")
    place = known.index(color.siting) if color.siting in known else 0
    return {"chromaloc": place} if place else {}


def _joined(params: dict[str, object]) -> str:
    return ":".join(f"{k}={v}" for k, v in params.items())


def _as_svt(mastering_display: str) -> str:
    """x265's G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min) in units instead of fractions."""
    import re

    def units(match: re.Match) -> str:
        name, first, second = match.groups()
        unit = 10000 if name == "L" else 50000
        return f"{name}({int(first) / unit:.5f},{int(second) / unit:.5f})"

    return re.sub(r"(G|B|R|WP|L)\((\d+),(\d+)\)", units, mastering_display)

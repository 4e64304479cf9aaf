"""Chooses and checks output pixel formats, and compares plane layouts."""

import av

from stereojax.cli import InputError
from stereojax.stage_types import VideoInfo
from stereojax.video.color import pixel_formats
from stereojax.video.writing.codecs import CODECS

HDR_TRANSFERS = (16, 18)  # ITU-T H.273: PQ and HLG
_GRIDS = {
    (64, 64): "444",
    (64, 32): "440",
    (32, 64): "422",
    (32, 32): "420",
    (16, 64): "411",
    (16, 16): "410",
}


def default_format(
    info: VideoInfo, layout: str, codec: str, size: tuple[int, int]
) -> tuple[str, str]:
    """Returns (pixel format, note or ""): the source's depth, in 4:2:0 for players."""
    own = planar_format(info.pixel_format)
    if codec == "ffv1":
        full = layout != "anaglyph" or pixel_formats.is_rgb(own)
        return (own, "") if full else (_yuv("444", pixel_formats.bit_depth(own)), "")
    bits = pixel_formats.bit_depth(own)
    if info.color.transfer in HDR_TRANSFERS:
        bits = max(bits, 10)
    bits = min(_next(bits, (8, 10, 12)), CODECS[codec].max_bits)
    if layout == "anaglyph":
        # Chroma separates the eyes: with subsampling each eye would also see the other
        # view.
        return _yuv("444", bits), ""
    if codec != "av1" and (size[0] % 2 or size[1] % 2):
        return _yuv("444", bits), (
            f"{size[0]}x{size[1]} is odd, which 4:2:0 cannot hold: written as 4:4:4,"
            " which some hardware players do not decode"
        )
    if own.startswith(("yuv422", "yuv444", "yuv440")) or pixel_formats.is_rgb(own):
        return _yuv("420", bits), (
            f"color resolution is halved ({info.pixel_format} to {_yuv('420', bits)}),"
            " for hardware players; --pixel_format can keep more"
        )
    return _yuv("420", bits), ""


def planar_format(pixel_format: str) -> str:
    """Returns FFV1's equivalent of a format: planar, no alpha, little-endian."""
    if pixel_formats.is_rgb(pixel_format):
        bits = pixel_formats.bit_depth(pixel_format)
        return "bgr0" if bits == 8 else f"gbrp{_next(bits, (9, 10, 12, 14, 16))}le"
    parts = av.VideoFormat(pixel_format, 64, 64).components
    bits = max(c.bits for c in parts)
    bits = 8 if bits <= 8 else _next(bits, (9, 10, 12, 14, 16))
    if len(parts) < 3:
        return "gray" if bits == 8 else f"gray{bits}le"
    grid = _GRIDS[parts[1].width, parts[1].height]
    return _yuv(grid if bits == 8 or grid != "440" else "444", bits)


def check_format(name: str, codec: str, layout: str, size: tuple[int, int]) -> None:
    """Raises `InputError` if `codec` cannot hold a picture in format `name`."""
    if layout == "anaglyph" and codec == "av1":
        raise InputError(
            "--layout=anaglyph needs full color resolution, which the AV1 encoder does"
            " not support: use another --codec, in .mkv or .mp4"
        )
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
    across, down = chroma_subsampling(name)
    if layout == "anaglyph" and (across, down) != (1, 1):
        raise InputError(
            f"--layout=anaglyph needs full color resolution, but --pixel_format={name}"
            " is subsampled: use a 4:4:4 format"
        )
    if codec in ("h264", "hevc") and (size[0] % across or size[1] % down):
        raise InputError(
            f"--pixel_format={name}: a picture of {size[0]}x{size[1]} is not a whole"
            f" number of its {across}x{down} chroma blocks; use yuv444p"
        )


def chroma_subsampling(pixel_format: str) -> tuple[int, int]:
    """Returns the (horizontal, vertical) number of pixels per chroma sample."""
    parts = av.VideoFormat(pixel_format, 64, 64).components
    if len(parts) < 3:
        return 1, 1
    return 64 // parts[1].width, 64 // parts[1].height


def same_planes(source: str, target: str) -> bool:
    """Returns whether the target's planes equal the first planes of the source."""
    a, b = av.VideoFormat(source, 64, 64), av.VideoFormat(target, 64, 64)
    if not all(f.is_planar and not f.is_rgb for f in (a, b)):
        return False
    target_planes = _planes(b)
    return a.is_big_endian == b.is_big_endian and (
        _planes(a)[: len(target_planes)] == target_planes
    )


def _planes(video_format: av.VideoFormat) -> list[tuple[int, int, int, int]]:
    return [(c.bits, c.plane, c.width, c.height) for c in video_format.components]


def _next(bits: int, steps: tuple[int, ...]) -> int:
    return next((s for s in steps if s >= bits), steps[-1])


def _yuv(grid: str, bits: int) -> str:
    return f"yuv{grid}p" + ("" if bits == 8 else f"{bits}le")

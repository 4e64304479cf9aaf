"""Pixel formats by FFmpeg's names, and swscale set up to lose nothing but bits."""

import av
import av.filter
import numpy as np

from stereojax.shapes import Shaped

# Not bilinear: with these flags swscale 9.5 returns garbage for 16-bit RGB.
# Dither off: its pattern would be in one eye only.
_SCALE = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact:sws_dither=none"


def bit_depth(pixel_format: str) -> int:
    """Bits of the widest color component, at least 8: 8 for yuv420p, 10 for p010le.

    The entries of a palette have 8.
    """
    components = av.VideoFormat(pixel_format, 2, 2).components
    return max(8, *(c.bits for c in components))


def is_gray(pixel_format: str) -> bool:
    return pixel_format.startswith(("gray", "ya", "mono"))


def is_rgb(pixel_format: str) -> bool:
    """Red, green and blue already: no matrix applies."""
    video_format = av.VideoFormat(pixel_format, 2, 2)
    return (
        video_format.is_rgb
        or video_format.has_palette
        or pixel_format.startswith(("bayer", "xyz"))
    )


def planar(pixel_format: str, bits: int) -> str:
    """The planar Y'CbCr format with the chroma grid of `pixel_format`."""
    video_format = av.VideoFormat(pixel_format, 64, 64)
    grid = {(64, 64): "444", (32, 64): "422", (32, 32): "420"}.get(
        (video_format.chroma_width(64), video_format.chroma_height(64))
    )
    if grid is None:  # 4:1:1 and the like have no deep twin
        return pixel_format
    return f"yuv{grid}p" + ("" if bits == 8 else f"{bits}le")


def full_planes(frame: av.VideoFrame) -> Shaped[np.ndarray, "h w 3"] | None:
    """The code values of Y, Cb and Cr, where chroma is not subsampled; else None.

    swscale scales full range codes to the full range of 16 bits, but only here.
    """
    name = frame.format.name
    bits = bit_depth(name)
    if name not in ("yuv444p", "yuvj444p", f"yuv444p{bits}le"):
        return None
    dtype = np.uint8 if bits == 8 else np.uint16
    lines = (
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : frame.width]
        for plane in frame.planes
    )
    return np.stack([line.astype(np.uint16) for line in lines], axis=-1)


class Graph:
    """Converts frames of one size and format, through `formats` in turn.

    swscale by FFmpeg's `scale` filter: PyAV's VideoReformatter cannot switch its
    dithering off, nor tell it where the chroma samples lie. Size, matrix and range
    stay as they are. Not for two threads at once.
    """

    def __init__(
        self,
        like: av.VideoFrame,
        *formats: str,
        full_range: bool = True,
        siting: str = "left",
        size: tuple[int, int] | None = None,
    ):
        """`siting`: where chroma lies, at both ends. `size`: (w, h) scales by area."""
        self._key = self._key_of(like)
        graph = av.filter.Graph()
        nodes = [
            graph.add(
                "buffer",
                f"video_size={like.width}x{like.height}:pix_fmt={like.format.name}"
                ":time_base=1/1:pixel_aspect=1/1",
            ),
            # swscale refuses tags that it does not know; none of them matters here.
            graph.add(
                "setparams",
                "color_primaries=unknown:color_trc=unknown:colorspace=unknown",
            ),
        ]
        range_name = "full" if full_range else "limited"
        for name in formats:
            options = f"in_range={range_name}:out_range={range_name}"
            options += f":in_chroma_loc={siting}:out_chroma_loc={siting}"
            if size:
                options += f":w={size[0]}:h={size[1]}:flags=area"
            else:
                options += f":flags={_SCALE}"
            nodes.append(graph.add("scale", options))
            nodes.append(graph.add("format", f"pix_fmts={name}"))
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes).configure()
        self._graph = graph

    def fits(self, frame: av.VideoFrame) -> bool:
        return self._key == self._key_of(frame)

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._graph.vpush(frame)
        return self._graph.vpull()

    @staticmethod
    def _key_of(frame: av.VideoFrame) -> tuple[int, int, str]:
        return frame.width, frame.height, frame.format.name

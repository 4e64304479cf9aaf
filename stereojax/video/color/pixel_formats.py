"""Properties of FFmpeg's pixel formats, and conversion between them by swscale."""

import av
import av.filter
import numpy as np

from stereojax.shapes import Shaped

# Not bilinear: with these flags swscale 9.5 returns garbage for 16-bit RGB.
# No dithering: its pattern would differ between the eyes.
_SCALE = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact:sws_dither=none"


def bit_depth(pixel_format: str) -> int:
    """Returns the bits of the widest component, at least 8 (palettes: 8).

    8 for yuv420p, 10 for p010le.
    """
    components = av.VideoFormat(pixel_format, 2, 2).components
    return max(8, *(c.bits for c in components))


def is_gray(pixel_format: str) -> bool:
    return pixel_format.startswith(("gray", "ya", "mono"))


def is_rgb(pixel_format: str) -> bool:
    """Returns whether the components are RGB, so that no matrix applies."""
    video_format = av.VideoFormat(pixel_format, 2, 2)
    return (
        video_format.is_rgb
        or video_format.has_palette
        or pixel_format.startswith(("bayer", "xyz"))
    )


def planar(pixel_format: str, bits: int) -> str:
    """Returns the planar Y'CbCr format with the subsampling of `pixel_format`."""
    video_format = av.VideoFormat(pixel_format, 64, 64)
    grid = {(64, 64): "444", (32, 64): "422", (32, 32): "420"}.get(
        (video_format.chroma_width(64), video_format.chroma_height(64))
    )
    if grid is None:  # 4:1:1 and similar formats exist with 8 bits only
        return pixel_format
    return f"yuv{grid}p" + ("" if bits == 8 else f"{bits}le")


def full_planes(frame: av.VideoFrame) -> Shaped[np.ndarray, "h w 3"] | None:
    """Returns the code values of Y, Cb and Cr of a 4:4:4 frame; else None.

    4:4:4 bypasses swscale, which would scale full-range codes to the full 16 bits, in
    this format only.
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


class ScaleFilter:
    """Converts frames of one size and format through a chain of pixel formats.

    Uses FFmpeg's `scale` filter, because PyAV's VideoReformatter can neither disable
    dithering nor set the chroma siting. Matrix and range stay unchanged. Not
    thread-safe.
    """

    def __init__(
        self,
        like: av.VideoFrame,
        *formats: str,
        full_range: bool = True,
        siting: str = "left",
        size: tuple[int, int] | None = None,
    ):
        """`siting`: chroma siting of both ends. `size`: (w, h) to scale to by area."""
        self._key = self._key_of(like)
        graph = av.filter.Graph()
        nodes = [
            graph.add(
                "buffer",
                f"video_size={like.width}x{like.height}:pix_fmt={like.format.name}"
                ":time_base=1/1:pixel_aspect=1/1",
            ),
            # swscale rejects tags that it does not know; none affects this conversion.
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

"""Decoded frames to RGB and back: matrix, range and chroma siting as tagged.

swscale through FFmpeg's `scale` filter, which (unlike PyAV's VideoReformatter) can be
told the chroma siting of both sides and uses threads. Signal values stay what they are:
HDR is neither tone-mapped nor linearised.
"""

import dataclasses

import av
import av.filter
import numpy as np

from stereojax.shapes import Shaped
from stereojax.stage_types import Color

UNKNOWN = 2
BT709 = Color(1, 1, 1)
BT601 = Color(6, 6, 6)

# ITU-T H.273 matrix code points that swscale knows, by the scale filter's names.
# 10 (BT.2020 constant luminance) is read as 9, as every player does.
MATRIX_NAMES = {
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    9: "bt2020nc",
    10: "bt2020nc",
}
# Not bilinear: with these flags swscale 9.5 returns garbage for rgb48le.
_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"


def assumed(color: Color, height: int) -> Color:
    """`color` with the untagged parts filled in: BT.709 from 720 lines on, else 601."""
    default = BT709 if height >= 720 else BT601
    return dataclasses.replace(
        color,
        **{
            name: getattr(default, name)
            for name in ("primaries", "transfer", "matrix")
            if getattr(color, name) == UNKNOWN
        },
    )


class ToRgb:
    """Turns decoded frames into RGB; make one per reader and keep it.

    `color` must name a matrix (see `assumed`). Not for two threads at once.
    """

    def __init__(self, color: Color):
        self._color = color
        self._graph: _Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> Shaped[np.ndarray, "h w 3"]:
        """uint8 for 8-bit sources, else uint16 of full scale; alpha is dropped."""
        key = (frame.width, frame.height, frame.format.name)
        if self._graph is None or self._graph.key != key:
            deep = bit_depth(frame.format.name) > 8
            self._graph = _Graph(
                key,
                "rgb48le" if deep else "rgb24",
                f"in_color_matrix={MATRIX_NAMES[self._color.matrix]}"
                f":in_range={_range_name(self._color)}"
                if not is_rgb(frame.format.name)
                else "",
            )
        return self._graph(frame).to_ndarray()


class FromRgb:
    """Turns RGB into frames of `pixel_format`, the inverse of `ToRgb`."""

    def __init__(self, pixel_format: str, color: Color):
        self._format = pixel_format
        self._color = color
        self._graph: _Graph | None = None

    def __call__(self, image: Shaped[np.ndarray, "h w 3"]) -> av.VideoFrame:
        """`image` is uint8, or uint16 of full scale. The frame is tagged."""
        name = {"uint8": "rgb24", "uint16": "rgb48le"}[image.dtype.name]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=name)
        key = (frame.width, frame.height, name)
        if self._graph is None or self._graph.key != key:
            self._graph = _Graph(
                key,
                self._format,
                f"out_color_matrix={MATRIX_NAMES[self._color.matrix]}"
                f":out_range={_range_name(self._color)}"
                if not is_rgb(self._format)
                else "",
            )
        frame = self._graph(frame)
        if not is_rgb(self._format):
            frame.colorspace = self._color.matrix
            frame.color_range = 2 if self._color.full_range else 1
        frame.color_primaries = self._color.primaries
        frame.color_trc = self._color.transfer
        return frame


def rgb_to_frame(
    image: Shaped[np.ndarray, "h w 3"], pixel_format: str, color: Color
) -> av.VideoFrame:
    """One frame by `FromRgb`; for many, make one `FromRgb` and keep it."""
    return FromRgb(pixel_format, color)(image)


def bit_depth(pixel_format: str) -> int:
    """Bits of the widest color component: 8 for yuv420p, 10 for p010le.

    Palette formats count as 8: their entries are RGB of 8 bits.
    """
    components = av.VideoFormat(pixel_format, 2, 2).components
    return max(8, *(c.bits for c in components))


def is_rgb(pixel_format: str) -> bool:
    video_format = av.VideoFormat(pixel_format, 2, 2)
    return video_format.is_rgb or video_format.has_palette


def _range_name(color: Color) -> str:
    return "full" if color.full_range else "limited"


class _Graph:
    """buffer -> scale -> format -> buffersink, for one size and format."""

    def __init__(self, key: tuple[int, int, str], pixel_format: str, colors: str):
        self.key = key
        width, height, source_format = key
        graph = av.filter.Graph()
        nodes = [
            graph.add(
                "buffer",
                f"video_size={width}x{height}:pix_fmt={source_format}"
                ":time_base=1/1:pixel_aspect=1/1",
            ),
            # Tags that swscale knows nothing of would be an error; only matrix and
            # range matter to it, and those are given to `scale`.
            graph.add("setparams", "color_primaries=unknown:color_trc=unknown"),
            graph.add("scale", f"flags={_FLAGS}:sws_dither=none:{colors}".rstrip(":")),
            graph.add("format", f"pix_fmts={pixel_format}"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        self._graph = graph

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._graph.vpush(frame)
        return self._graph.vpull()

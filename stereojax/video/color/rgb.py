"""Converts decoded frames to RGB and back by their matrix, range and chroma siting.

swscale resamples the chroma in 16 bits. The matrix is applied here, because swscale's
is up to three code values off at 10 bits. Signal values are kept: HDR is neither
tone-mapped nor linearized.
"""

import dataclasses

import av
import numpy as np

from stereojax.shapes import Shaped
from stereojax.stage_types import Color
from stereojax.video.color import color_matrix
from stereojax.video.color.pixel_formats import (
    ScaleFilter,
    bit_depth,
    full_planes,
    is_gray,
    is_rgb,
    planar,
)

# H.273: 2 is unknown, 3 is reserved, 0 is RGB as a matrix and otherwise reserved.
_UNTAGGED = (2, 0, 3)
BT709 = Color(1, 1, 1)
BT601 = Color(6, 6, 6)


def with_default_tags(color: Color, height: int) -> Color:
    """Returns `color` with untagged fields set to BT.709 (720 lines or more) or 601."""
    default = BT709 if height >= 720 else BT601
    return dataclasses.replace(
        color,
        **{
            name: getattr(default, name)
            for name in ("primaries", "transfer", "matrix")
            if getattr(color, name) in _UNTAGGED
        },
    )


class ToRgb:
    """Converts decoded frames to RGB. Not thread-safe.

    `color` must have a matrix: see `with_default_tags`.
    """

    def __init__(self, color: Color):
        self._color = color
        self._graph: ScaleFilter | None = None

    def __call__(self, frame: av.VideoFrame) -> Shaped[np.ndarray, "h w 3"]:
        """Returns uint8 for 8-bit sources, else uint16 of full scale; drops alpha."""
        name = frame.format.name
        bits = bit_depth(name)
        if is_gray(name):
            image = self._gray(frame, bits)
        elif is_rgb(name):
            image = self._rgb(frame, bits)
        else:
            image = self._yuv(frame, bits)
        return _to_8(image) if bits == 8 and image.dtype == np.uint16 else image

    def _yuv(self, frame: av.VideoFrame, bits: int) -> np.ndarray:
        import cv2

        matrix = color_matrix.yuv_to_rgb(self._color, bits)
        codes = full_planes(frame)
        if codes is None:
            samples = self._convert(frame, "yuv444p16le").to_ndarray(channel_last=True)
            return cv2.transform(samples, matrix)
        matrix[:, :3] *= 1 << (16 - bits)
        return cv2.transform(codes, matrix)

    def _gray(self, frame: av.VideoFrame, bits: int) -> np.ndarray:
        import cv2

        if frame.format.name not in _GRAY_ARRAYS:
            frame, bits = self._convert(frame, "gray16le"), 16
        black, span = color_matrix.luma_levels(self._color, bits)
        scale = 65535 / span
        column = np.full((3, 1), scale * (1 << (16 - bits)))
        matrix = np.concatenate([column, np.full((3, 1), -black * scale)], axis=1)
        return cv2.transform(frame.to_ndarray().astype(np.uint16), matrix)

    def _rgb(self, frame: av.VideoFrame, bits: int) -> np.ndarray:
        if bits == 8:
            return self._convert(frame, "rgb24").to_ndarray()
        if frame.format.name in _RGB_ARRAYS:
            return _rescale(frame.to_ndarray()[..., :3], (1 << bits) - 1, 65535)
        return self._convert(frame, "rgb48le").to_ndarray()

    def _convert(self, frame: av.VideoFrame, name: str) -> av.VideoFrame:
        if self._graph is None or not self._graph.fits(frame):
            self._graph = _graph(self._color, frame, name)
        return self._graph(frame)


class FromRgb:
    """Converts RGB to frames of `pixel_format`; the inverse of `ToRgb`."""

    def __init__(self, pixel_format: str, color: Color):
        self._format = pixel_format
        self._bits = bit_depth(pixel_format)
        self._color = color
        self._graph: ScaleFilter | None = None

    def __call__(self, image: Shaped[np.ndarray, "h w 3"]) -> av.VideoFrame:
        """Converts `image`, uint8 or uint16 of full scale, and tags the frame."""
        if is_gray(self._format):
            frame = self._gray(image)
        elif is_rgb(self._format):
            frame = self._rgb(image)
        else:
            frame = self._yuv(image)
            frame.colorspace = self._color.matrix
            frame.color_range = 2 if self._color.full_range else 1
        frame.color_primaries = self._color.primaries
        frame.color_trc = self._color.transfer
        return frame

    def _yuv(self, image: np.ndarray) -> av.VideoFrame:
        import cv2

        matrix = color_matrix.rgb_to_yuv(self._color, self._bits)
        samples = cv2.transform(_to_16(image), matrix)
        frame = av.VideoFrame.from_ndarray(samples, "yuv444p16le", channel_last=True)
        # Subsample in 16 bits first: swscale rounds to nearest only between planar
        # formats.
        steps = (
            planar(self._format, 16),
            planar(self._format, self._bits),
            self._format,
        )
        return self._convert(frame, *dict.fromkeys(steps))

    def _gray(self, image: np.ndarray) -> av.VideoFrame:
        import cv2

        if self._format not in _GRAY_ARRAYS:
            raise ValueError(f"pixel format {self._format} cannot be written")
        matrix = color_matrix.rgb_to_yuv(self._color, self._bits)[:1]
        codes = cv2.transform(_to_16(image), matrix / (1 << (16 - self._bits)))
        dtype = np.uint8 if self._bits == 8 else np.uint16
        return av.VideoFrame.from_ndarray(codes.astype(dtype), self._format)

    def _rgb(self, image: np.ndarray) -> av.VideoFrame:
        if self._bits == 8:
            frame = av.VideoFrame.from_ndarray(_to_8(image), "rgb24")
            return self._convert(frame, self._format)
        if self._format in _RGB_ARRAYS:
            codes = _rescale(_to_16(image), 65535, (1 << self._bits) - 1)
            return av.VideoFrame.from_ndarray(codes, self._format)
        frame = av.VideoFrame.from_ndarray(_to_16(image), "rgb48le")
        return self._convert(frame, self._format)

    def _convert(self, frame: av.VideoFrame, *names: str) -> av.VideoFrame:
        if self._graph is None or not self._graph.fits(frame):
            self._graph = _graph(self._color, frame, *names)
        return self._graph(frame)


def is_tagged(color: Color) -> bool:
    """Returns whether a matrix is tagged; else `with_default_tags` sets one."""
    return color.matrix not in _UNTAGGED


def has_matrix(pixel_format: str) -> bool:
    """Returns whether a matrix converts the format's samples to RGB."""
    return not (is_rgb(pixel_format) or is_gray(pixel_format))


def is_supported(matrix: int, pixel_format: str) -> bool:
    """Returns whether frames with this H.273 matrix can be converted."""
    known = matrix in _UNTAGGED or matrix in color_matrix.SUPPORTED
    return known or not has_matrix(pixel_format)


def _graph(color: Color, frame: av.VideoFrame, *names: str) -> ScaleFilter:
    full = color.full_range or is_rgb(names[-1])
    return ScaleFilter(frame, *names, full_range=full, siting=color.siting)


# Formats that PyAV converts to arrays of code values, in the order R, G, B.
_GRAY_ARRAYS = {"gray", *(f"gray{bits}le" for bits in (9, 10, 12, 14, 16))}
_RGB_ARRAYS = {"rgb48le", *(f"gbrp{bits}le" for bits in (9, 10, 12, 14, 16))}


def _rescale(image: np.ndarray, top: int, new_top: int) -> np.ndarray:
    if top == new_top:
        return np.ascontiguousarray(image)
    return ((image.astype(np.uint32) * new_top + top // 2) // top).astype(np.uint16)


def _to_8(image: np.ndarray) -> np.ndarray:
    import cv2

    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    return cv2.convertScaleAbs(image, alpha=255 / 65535)


def _to_16(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint16:
        return np.ascontiguousarray(image)
    return image.astype(np.uint16) * np.uint16(257)

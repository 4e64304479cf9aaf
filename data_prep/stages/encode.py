"""Encodes frames as records hold them, and decodes them as training reads them."""

import dataclasses

import numpy as np

from data_prep.stages.packing import View
from stereojax.records.disparity import DisparityQuantizer
from stereojax.records.pictures import (
    decode_gray16,
    decode_rgb,
    encode_jpeg,
    encode_png,
    to_integers,
)
from stereojax.records.record import Provenance, Record
from stereojax.shapes import Float

# Fixed, because frames are encoded before the sequence's range is known. From 0 to
# 2047 px in steps of 1/32 px.
QUANTIZER = DisparityQuantizer(scale=1 / 32, offset=0.0)


@dataclasses.dataclass(frozen=True)
class EncodedFrame:
    """One frame in bytes; `warped` and `occlusion` may be empty."""

    left: bytes
    right: bytes
    disparity: bytes
    warped: bytes = b""
    occlusion: bytes = b""


@dataclasses.dataclass(frozen=True)
class EncodeFrame:
    """Encodes frames one at a time, so that no sequence is in memory as pixels."""

    jpeg_quality: int = 95

    def __call__(
        self, left: View, right: View, disparity: Float[np.ndarray, "h w"]
    ) -> EncodedFrame:
        """`disparity`: pixels, 0 or more; NaN lands nowhere."""
        return EncodedFrame(
            encode_jpeg(left, self.jpeg_quality),
            encode_jpeg(right, self.jpeg_quality),
            encode_png(QUANTIZER.encode(disparity)),
        )


def decode_frame(frame: EncodedFrame) -> tuple[View, View, Float[np.ndarray, "h w"]]:
    """Returns (left, right, disparity) as readers of the record decode them."""
    disparity = QUANTIZER.decode(decode_gray16(frame.disparity))
    return decode_rgb(frame.left), decode_rgb(frame.right), disparity


def add_warp(
    frame: EncodedFrame,
    warped: Float[np.ndarray, "h w 3"],
    occlusion: Float[np.ndarray, "h w"],
) -> EncodedFrame:
    """Adds the warped view as 8 bits and the occlusion as 16 bits."""
    return dataclasses.replace(
        frame,
        warped=encode_png(to_integers(warped, np.uint8)),
        occlusion=encode_png(to_integers(occlusion, np.uint16)),
    )


def to_record(
    frames: list[EncodedFrame], width: int, height: int, provenance: Provenance
) -> Record:
    """Collects encoded frames into a record."""

    def column(name: str) -> tuple[bytes, ...]:
        return tuple(data for frame in frames if (data := getattr(frame, name)))

    names = [field.name for field in dataclasses.fields(EncodedFrame)]
    return Record(
        **{name: column(name) for name in names},
        height=height,
        width=width,
        disparity_scale=QUANTIZER.scale,
        disparity_offset=QUANTIZER.offset,
        provenance=provenance,
    )

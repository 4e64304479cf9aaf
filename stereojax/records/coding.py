"""Encodes frames into a record and decodes them."""

from collections.abc import Callable, Sequence

import numpy as np

from stereojax.records.disparity import DisparityQuantizer
from stereojax.records.pictures import (
    decode_gray16,
    decode_rgb,
    encode_jpeg,
    encode_png,
    to_integers,
)
from stereojax.records.record import Frames, Provenance, Record
from stereojax.shapes import Float, UInt8


def encode_record(
    left: UInt8[np.ndarray, "t h w 3"],
    right: UInt8[np.ndarray, "t h w 3"],
    disparity: Float[np.ndarray, "t h w"],  # pixels; NaN lands nowhere
    provenance: Provenance,
    *,
    jpeg_quality: int = 95,
    warped: Float[np.ndarray, "t h w 3"] | None = None,  # [0, 1]
    occlusion: Float[np.ndarray, "t h w"] | None = None,
) -> Record:
    """Encodes contiguous frames of one shot as a record.

    JPEG compresses the views and `DisparityQuantizer` rounds the disparity. Training
    reads the decoded values, so filters must judge the decoded record too.
    """
    if not len(left):
        raise ValueError("a record needs at least one frame")
    quantizer = DisparityQuantizer.covering(disparity)
    return Record(
        left=tuple(encode_jpeg(frame, jpeg_quality) for frame in left),
        right=tuple(encode_jpeg(frame, jpeg_quality) for frame in right),
        disparity=tuple(encode_png(quantizer.encode(frame)) for frame in disparity),
        height=left.shape[1],
        width=left.shape[2],
        disparity_scale=quantizer.scale,
        disparity_offset=quantizer.offset,
        provenance=provenance,
        warped=_encode_pngs(warped, np.uint8),
        occlusion=_encode_pngs(occlusion, np.uint16),
    )


def decode_record(record: Record, frames: Sequence[int] | None = None) -> Frames:
    """Decodes some frames of a record, or all of them.

    Args:
      record: the record.
      frames: frame numbers within the record, in the order of the result; None
        decodes every frame.

    Raises:
      IndexError: a frame number is outside the record.
      ValueError: a picture cannot be decoded, or its size is not the record's.
    """
    frames = range(len(record)) if frames is None else frames
    if outside := [f for f in frames if not 0 <= f < len(record)]:
        raise IndexError(f"frame {outside[0]} of a record of {len(record)}")
    quantizer = DisparityQuantizer(record.disparity_scale, record.disparity_offset)

    def stack(name: str, decode: Callable[[bytes], np.ndarray]) -> np.ndarray:
        pictures = getattr(record, name)
        shape = record.height, record.width
        if not len(frames):
            return decode(pictures[0])[None][:0]
        return np.stack(
            [_check_size(decode(pictures[f]), shape, name, f) for f in frames]
        )

    return Frames(
        left=stack("left", decode_rgb),
        right=stack("right", decode_rgb),
        disparity=quantizer.decode(stack("disparity", decode_gray16)),
        warped=stack("warped", decode_rgb) if record.warped else None,
        occlusion=(
            stack("occlusion", decode_gray16).astype(np.float32) / np.float32(65535)
            if record.occlusion
            else None
        ),
    )


def _check_size(
    picture: np.ndarray, shape: tuple[int, int], name: str, frame: int
) -> np.ndarray:
    """Returns the picture; raises `ValueError` if its size is not the record's."""
    if picture.shape[:2] != shape:
        raise ValueError(
            f"{name} of frame {frame} is {picture.shape[:2]}, the record {shape}"
        )
    return picture


def _encode_pngs(pictures: np.ndarray | None, dtype: type) -> tuple[bytes, ...]:
    if pictures is None:
        return ()
    return tuple(encode_png(to_integers(picture, dtype)) for picture in pictures)

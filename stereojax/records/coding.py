"""Frames to a record and back."""

from collections.abc import Callable, Sequence

import numpy as np

from stereojax.records.disparity import Steps
from stereojax.records.pictures import read_rgb, read_steps, to_jpeg, to_png
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
    """A record of contiguous frames. What `decode` gives back is what training sees.

    The views lose what JPEG loses and the disparity is rounded (`disparity.quantize`),
    so a filter that is to see what training will see looks at the decoded record.
    """
    if not len(left):
        raise ValueError("a record needs at least one frame")
    steps = Steps.of(disparity)
    return Record(
        left=tuple(to_jpeg(frame, jpeg_quality) for frame in left),
        right=tuple(to_jpeg(frame, jpeg_quality) for frame in right),
        disparity=tuple(to_png(steps.encode(frame)) for frame in disparity),
        height=left.shape[1],
        width=left.shape[2],
        disparity_scale=steps.scale,
        disparity_offset=steps.offset,
        provenance=provenance,
        warped=_pngs(warped, np.uint8),
        occlusion=_pngs(occlusion, np.uint16),
    )


def decode(record: Record, frames: Sequence[int] | None = None) -> Frames:
    """The frames of these numbers within the record, in this order; None is all.

    Raises:
      IndexError: a number is not within the record.
      ValueError: a picture cannot be read, or has not the record's size.
    """
    frames = range(len(record)) if frames is None else frames
    if outside := [f for f in frames if not 0 <= f < len(record)]:
        raise IndexError(f"frame {outside[0]} of a record of {len(record)}")
    steps = Steps(record.disparity_scale, record.disparity_offset)

    def stack(name: str, read: Callable[[bytes], np.ndarray]) -> np.ndarray:
        pictures = getattr(record, name)
        shape = record.height, record.width
        if not len(frames):
            return read(pictures[0])[None][:0]
        return np.stack([_checked(read(pictures[f]), shape, name, f) for f in frames])

    return Frames(
        left=stack("left", read_rgb),
        right=stack("right", read_rgb),
        disparity=steps.decode(stack("disparity", read_steps)),
        warped=stack("warped", read_rgb) if record.warped else None,
        occlusion=(
            stack("occlusion", read_steps).astype(np.float32) / np.float32(65535)
            if record.occlusion
            else None
        ),
    )


def _checked(
    picture: np.ndarray, shape: tuple[int, int], name: str, frame: int
) -> np.ndarray:
    if picture.shape[:2] != shape:
        raise ValueError(
            f"{name} of frame {frame} is {picture.shape[:2]}, the record {shape}"
        )
    return picture


def _pngs(pictures: np.ndarray | None, dtype: type) -> tuple[bytes, ...]:
    if pictures is None:
        return ()
    top = np.iinfo(dtype).max
    scaled = (np.rint(np.clip(p, 0, 1) * top).astype(dtype) for p in pictures)
    return tuple(to_png(p) for p in scaled)

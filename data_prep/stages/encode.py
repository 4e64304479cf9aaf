"""A frame as a record holds it, and as whoever reads the record gets it."""

import dataclasses

import numpy as np

from data_prep.stages.packing import View
from stereojax.records.disparity import Steps
from stereojax.records.pictures import read_rgb, read_steps, to_jpeg, to_png
from stereojax.records.record import Provenance, Record
from stereojax.shapes import Float

# Chosen before the first frame is known: 1/32 px up to 2047 px.
STEPS = Steps(scale=1 / 32, offset=0.0)


@dataclasses.dataclass(frozen=True)
class Coded:
    """One frame in bytes; the last two are empty where they are not stored."""

    left: bytes
    right: bytes
    disparity: bytes
    warped: bytes = b""
    occlusion: bytes = b""


@dataclasses.dataclass(frozen=True)
class Encode:
    """Encodes frames one by one: no sequence is held in pixels."""

    jpeg_quality: int = 95

    def __call__(
        self, left: View, right: View, disparity: Float[np.ndarray, "h w"]
    ) -> Coded:
        """`disparity`: pixels, 0 or more; NaN lands nowhere."""
        return Coded(
            to_jpeg(left, self.jpeg_quality),
            to_jpeg(right, self.jpeg_quality),
            to_png(STEPS.encode(disparity)),
        )


def decoded(coded: Coded) -> tuple[View, View, Float[np.ndarray, "h w"]]:
    """(left, right, disparity) as a reader of the record sees them."""
    disparity = STEPS.decode(read_steps(coded.disparity))
    return read_rgb(coded.left), read_rgb(coded.right), disparity


def with_warp(
    coded: Coded,
    warped: Float[np.ndarray, "h w 3"],
    occlusion: Float[np.ndarray, "h w"],
) -> Coded:
    """Stores what could be recomputed too, as 8 and 16 bits."""
    return dataclasses.replace(
        coded,
        warped=to_png(np.rint(np.clip(warped, 0, 1) * 255).astype(np.uint8)),
        occlusion=to_png(np.rint(np.clip(occlusion, 0, 1) * 65535).astype(np.uint16)),
    )


def to_record(
    frames: list[Coded], width: int, height: int, provenance: Provenance
) -> Record:
    def column(name: str) -> tuple[bytes, ...]:
        return tuple(data for frame in frames if (data := getattr(frame, name)))

    names = [field.name for field in dataclasses.fields(Coded)]
    return Record(
        **{name: column(name) for name in names},
        height=height,
        width=width,
        disparity_scale=STEPS.scale,
        disparity_offset=STEPS.offset,
        provenance=provenance,
    )

"""The fields of a training record, encoded and decoded."""

import dataclasses

import numpy as np

from stereojax.shapes import Float, UInt8


@dataclasses.dataclass(frozen=True)
class Provenance:
    """The origin of a sequence, and the arguments that splat its disparity.

    Floats are rounded to float32, as in the file, so that a record equals itself after
    writing and reading.
    """

    source: str  # the film's file name
    source_hash: str  # hash of the film's content, hexadecimal
    kind: str  # "stereo": both views were filmed; "mono": only the right view was
    shot: int  # number of the shot in the film
    first_frame: int  # frame number in the film; the others follow without a gap
    frame_rate: float  # frames per second
    matcher: str  # source of the disparity: "sgbm", or the name of a depth model
    shift: float  # px by which the right view was moved left, at the record's width
    psnr: float  # dB, warped against right, outside holes
    sharpness: float  # this and the next two: the arguments of `splat.forward_splat`
    mask: str = "soft"
    border: str = "full"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if field.type is float:
                value = float(np.float32(getattr(self, field.name)))
                object.__setattr__(self, field.name, value)

    @property
    def key(self) -> str:
        """Returns a name of the sequence, unique across films and machines."""
        start = f"{self.shot:05}-{self.first_frame:07}"
        return f"{self.source_hash[:16]}-{self.kind}-{start}"


@dataclasses.dataclass(frozen=True)
class Record:
    """A sequence of contiguous frames, each encoded on its own.

    Splatting the left view by the disparity, with the arguments in `Provenance`, gives
    the right view with holes. Both views and the disparity have the same size. In a
    mono record the left view was splatted from the film's frame; the disparity is NaN
    in the holes of that splat, so that their pixels land nowhere.
    """

    left: tuple[bytes, ...]  # JPEG, 4:4:4
    right: tuple[bytes, ...]  # JPEG, 4:4:4
    disparity: tuple[bytes, ...]  # PNG, 16-bit gray; see `disparity.py`
    height: int
    width: int
    disparity_scale: float  # pixels per code, a power of two
    disparity_offset: float  # pixels at code 0, a multiple of the scale
    provenance: Provenance
    warped: tuple[bytes, ...] = ()  # PNG, 8-bit RGB; optional
    occlusion: tuple[bytes, ...] = ()  # PNG, 16-bit gray, 65535 = 1; optional

    def __post_init__(self):
        count = len(self.left)
        for name in ("right", "disparity", "warped", "occlusion"):
            length = len(getattr(self, name))
            if length != count and (length or name in ("right", "disparity")):
                raise ValueError(f"{length} frames of {name}, {count} of left")

    def __len__(self) -> int:
        return len(self.left)


@dataclasses.dataclass(frozen=True)
class Frames:
    """Decoded frames of a record."""

    left: UInt8[np.ndarray, "t h w 3"]
    right: UInt8[np.ndarray, "t h w 3"]
    disparity: Float[np.ndarray, "t h w"]  # pixels; NaN lands nowhere
    warped: UInt8[np.ndarray, "t h w 3"] | None = None  # None: not stored
    occlusion: Float[np.ndarray, "t h w"] | None = None

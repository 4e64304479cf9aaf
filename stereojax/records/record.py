"""What a training record holds, encoded and decoded."""

import dataclasses

import numpy as np

from stereojax.shapes import Float, UInt8


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a sequence comes from, and how its disparity is to be splatted.

    Floats are held as float32, as the file holds them: a record equals its copy that
    was written and read.
    """

    source: str  # the film's file name
    source_hash: str  # of its content, hexadecimal
    kind: str  # "stereo": right was filmed; "mono": right is a film's own frame
    shot: int  # its number in the film
    first_frame: int  # of the film; the others follow without a gap
    frame_rate: float  # frames per second
    matcher: str  # what found the disparity: "sgbm", or a depth model
    shift: float  # px that the right view was moved to the left, at this width
    psnr: float  # dB of warped against right, where the left view landed
    sharpness: float  # the arguments of `splat.forward_splat` that the filter used
    mask: str = "soft"
    border: str = "full"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if field.type is float:
                value = float(np.float32(getattr(self, field.name)))
                object.__setattr__(self, field.name, value)

    @property
    def key(self) -> str:
        """Names the sequence, in any set of films and on any machine."""
        start = f"{self.shot:05}-{self.first_frame:07}"
        return f"{self.source_hash[:16]}-{self.kind}-{start}"


@dataclasses.dataclass(frozen=True)
class Record:
    """A sequence of contiguous frames, each encoded by itself.

    The left view, splatted by the disparity, is what the right view looks like with
    holes: see `Provenance` for the arguments. Both views and the disparity have one
    size. In a mono record the left view was itself splatted from the film, and the
    disparity is NaN where it had a hole, so that nothing lands from there.
    """

    left: tuple[bytes, ...]  # JPEG, 4:4:4
    right: tuple[bytes, ...]  # JPEG, 4:4:4
    disparity: tuple[bytes, ...]  # PNG, 16-bit gray: see `disparity.py`
    height: int
    width: int
    disparity_scale: float  # pixels a step, a power of two
    disparity_offset: float  # pixels at step 0, a multiple of the scale
    provenance: Provenance
    warped: tuple[bytes, ...] = ()  # PNG, 8-bit RGB; mostly left out
    occlusion: tuple[bytes, ...] = ()  # PNG, 16-bit gray, 65535 = 1; mostly left out

    def __post_init__(self):
        count = len(self.left)
        for name in ("right", "disparity", "warped", "occlusion"):
            there = len(getattr(self, name))
            if there != count and (there or name in ("right", "disparity")):
                raise ValueError(f"{there} frames of {name}, {count} of left")

    def __len__(self) -> int:
        return len(self.left)


@dataclasses.dataclass(frozen=True)
class Frames:
    """Decoded frames of a record."""

    left: UInt8[np.ndarray, "t h w 3"]
    right: UInt8[np.ndarray, "t h w 3"]
    disparity: Float[np.ndarray, "t h w"]  # pixels; NaN lands nowhere
    warped: UInt8[np.ndarray, "t h w 3"] | None = None  # where the record stores it
    occlusion: Float[np.ndarray, "t h w"] | None = None

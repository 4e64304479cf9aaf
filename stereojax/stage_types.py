"""Values that pass between stages: frozen dataclasses with every field documented."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np

from stereojax.shapes import Array, Bool, Float

# Settings in pixels are given for a picture of this width, and scale with it.
REFERENCE_WIDTH = 1024

# A pixel is a hole where at least this share of it is uncovered.
HOLE = 0.5


def is_hole(
    occlusion: Float[Array | np.ndarray, "*s"],
) -> Bool[Array | np.ndarray, "*s"]:
    """Returns which pixels of a splat are holes: at least half uncovered."""
    return occlusion >= HOLE


@dataclasses.dataclass(frozen=True)
class Color:
    """The colour tags of a video: ITU-T H.273 code points, 2 = unknown."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False
    siting: str = "left"  # of subsampled chroma: left, center, topleft, top, ...
    mastering_display: str | None = None  # in x265's notation: G(x,y)B..
    content_light: str | None = None  # "MaxCLL,MaxFALL"


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """The first video stream of a file, as a viewer sees it (rotation applied)."""

    path: Path
    width: int
    height: int
    frame_rate: Fraction  # average; frames are shown by their timestamps, not by this
    time_base: Fraction  # seconds per tick of `VideoIndex.pts`
    duration: float  # seconds, as the container claims; 0 if it does not say
    pixel_format: str  # of the coded frames, in FFmpeg's notation: yuv420p10le
    bit_depth: int
    rotation: int = 0  # degrees clockwise by which the reader turns each frame
    mirrored: bool = False  # the reader flips each turned frame left to right
    sample_aspect: Fraction = Fraction(1)
    color: Color = Color()


@dataclasses.dataclass(frozen=True)
class Shot:
    """Frames `start` to `stop - 1`, between two cuts."""

    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclasses.dataclass(frozen=True)
class VideoIndex:
    """The result of one pass over a video: each frame's time, and the cuts."""

    info: VideoInfo
    source_hash: str  # of the file's bytes
    pts: np.ndarray  # (t,) int64, ticks of info.time_base, strictly increasing
    last_duration: int  # ticks for which the last frame is shown
    keyframes: np.ndarray  # (k,) int64: pts at which decoding can start
    shots: tuple[Shot, ...]
    damaged: bool = False  # frames are missing, and the user allowed that

    def __len__(self) -> int:
        return len(self.pts)


@dataclasses.dataclass(frozen=True)
class FrameRange:
    """Frames `start` to `stop - 1` of a film, all of one shot."""

    shot: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class WindowDepth:
    """Depth of some frames of one shot, with the range of depth of the whole shot."""

    values: Float[Array, "t h w"]  # raw relative inverse depth; or disparity, pixels
    far_near: Float[Array, "2"]  # of the shot, in the units of `values`
    units: str = dataclasses.field(
        default="relative", metadata={"static": True}
    )  # "relative" or "pixels"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Splat:
    """A view splatted to the other eye."""

    warped: Float[Array, "*b h w c"]  # exact 0 where nothing landed
    occlusion: Float[Array, "*b h w"]  # 1 = nothing landed, soft at edges


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StereoFrames:
    """One window of a shot, rendered."""

    right: Float[Array, "t h w 3"]  # in [0, 1]
    warped: Float[Array, "t h w 3"]
    occlusion: Float[Array, "t h w"]
    disparity: Float[Array, "t h w"]  # pixels; positive = in front of the screen

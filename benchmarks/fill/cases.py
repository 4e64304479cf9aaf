"""The cases of the fill benchmark: splatted shots with their true right view."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from stereojax.shapes import Bool, Float
from stereojax.splat import forward_splat, sharpness_for
from stereojax.stage_types import is_hole


@dataclasses.dataclass(frozen=True)
class FillSet:
    """The films of one split: those for tuning, or those for reporting."""

    name: str
    seeds: tuple[int, ...]  # of the synthetic films and the wire scenes
    clips: tuple[str, ...]  # 2D films to project twice; paths in the data folder
    videos: tuple[str, ...]  # stereo films; paths in the data folder


# The two sets share no film. The constants of the fills are tuned on the first only.
TUNED_ON = FillSet(
    "tuned on",
    seeds=(0, 1, 2),
    clips=("depth/clips/sam2/s_01_dog.mp4", "depth/clips/bottle-detection.mp4"),
    videos=(),
)
REPORTED_ON = FillSet(
    "reported on",
    seeds=(100, 101, 102),
    clips=(
        "depth/clips/sam2/s_02_cups.mp4",
        "depth/clips/sam2/s_05_default_juggle.mp4",
        "depth/clips/car-detection.mp4",
    ),
    videos=("office_stereo_sbs.mp4",),
)


@dataclasses.dataclass(frozen=True)
class FillInput:
    """Consecutive frames of one shot: all inputs of a fill."""

    left: Float[np.ndarray, "t h w 3"]  # in [0, 1]
    disparity: Float[np.ndarray, "t h w"]  # pixels, of the left view; NaN = unknown
    warped: Float[np.ndarray, "t h w 3"]  # composited by the published formula
    occlusion: Float[np.ndarray, "t h w"]
    warped_disparity: Float[np.ndarray, "t h w"]  # of the right view; NaN in the hole

    @property
    def hole(self) -> Bool[np.ndarray, "t h w"]:
        """Pixels to fill if the hole is not grown (`stereojax.inpaint.grow`)."""
        return is_hole(self.occlusion)


@dataclasses.dataclass(frozen=True)
class Silhouettes:
    """Regions of the right view whose near and far colours are known exactly."""

    near: Float[np.ndarray, "3"]
    far: Float[np.ndarray, "t h w 3"]  # the right view without near objects
    wires: tuple[tuple[slice, slice], ...]  # rows, columns: one wire each
    edges: tuple[tuple[slice, slice], ...]  # rows, columns: one slanted object each


@dataclasses.dataclass(frozen=True)
class Case:
    """A shot to fill, and its true right view."""

    set: str  # `FillSet.name`
    source: str  # table rows are means over the cases of one source
    name: str  # of the shot, unique within its source
    inputs: FillInput
    right: Float[np.ndarray, "t h w 3"]  # the true right view
    scored: tuple[int, ...]  # consecutive scored frames; the others give context
    silhouettes: Silhouettes | None = None

    @property
    def width(self) -> int:
        return self.right.shape[2]

    def hole(self) -> Bool[np.ndarray, "n h w"]:
        """Returns the scored pixels: the inner hole of each scored frame."""
        return np.stack([inner_hole(self.inputs.hole[t]) for t in self.scored])


def splatted(
    left: Float[np.ndarray, "t h w 3"],
    disparity: Float[np.ndarray, "t h w"],
    compositing: str = "published",  # cases are scored on the hole of "published"
) -> FillInput:
    """Builds the input of a fill: splats a left view and its disparity."""
    frames = [
        _splat_frame(*frame, compositing) for frame in zip(left, disparity, strict=True)
    ]
    warped, occlusion, warped_disparity = (
        np.stack(x) for x in zip(*frames, strict=True)
    )
    return FillInput(left, disparity, warped, occlusion, warped_disparity)


def _splat_frame(left, disparity, compositing):
    # Disparity is splatted as a fourth channel; channels may exceed [0, 1].
    image = np.concatenate([left, np.nan_to_num(disparity)[..., None]], axis=-1)
    splat = forward_splat(
        image,
        disparity,
        compositing=compositing,
        sharpness=sharpness_for(left.shape[1]),
    )
    image, occlusion = (np.asarray(x) for x in (splat.warped, splat.occlusion))
    warped_disparity = np.where(is_hole(occlusion), np.nan, image[..., 3])
    return image[..., :3], occlusion, warped_disparity.astype(np.float32)


def inner_hole(hole: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Returns the hole without the strips at the frame's left and right edges.

    The left view does not show these strips. A strip continues across up to 4 known
    pixels.
    """
    closed = cv2.morphologyEx(
        hole.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8)
    ).astype(bool)
    strips = np.zeros_like(hole)
    for mask in (hole, closed):
        strips |= np.minimum.accumulate(mask, axis=1)
        strips |= np.minimum.accumulate(mask[:, ::-1], axis=1)[:, ::-1]
    return hole & ~strips


def middle(frames: int, count: int) -> tuple[int, ...]:
    """Returns the `count` consecutive frames in the middle of `frames`."""
    start = (frames - count) // 2
    return tuple(range(start, start + count))


def to_float(frames: Sequence[np.ndarray]) -> Float[np.ndarray, "t h w c"]:
    """Stacks 8-bit frames as float32 in [0, 1]."""
    return np.stack(frames).astype(np.float32) / 255

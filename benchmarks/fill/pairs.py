"""Makes cases of real stereo films; stereo matching estimates their disparity."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.fill.cases import Case, middle, splatted, to_float
from benchmarks.fill.double import background_of_row
from stereojax.shapes import Float, UInt8

Picture = UInt8[np.ndarray, "h w 3"]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two views and the disparity of the left view, in pixels; NaN = unknown."""

    left: UInt8[np.ndarray, "h w 3"]
    right: UInt8[np.ndarray, "h w 3"]
    disparity: Float[np.ndarray, "h w"]


@dataclasses.dataclass(frozen=True)
class Matching:
    """Settings of OpenCV's semi-global matching."""

    block: int = 5
    mode: int = cv2.STEREO_SGBM_MODE_SGBM_3WAY
    uniqueness: int = 5
    fill: bool = True  # unmatched pixels get their row's background disparity


MATCHINGS = {
    "usual": Matching(),
    "coarse": Matching(block=9, mode=cv2.STEREO_SGBM_MODE_SGBM, uniqueness=0),
    "unfilled": Matching(block=3, uniqueness=10, fill=False),
}


def video_cases(
    set_name: str,
    path: Path,
    *,
    frames: int,
    scored: int,
    factors: tuple[int, ...] = (1, 3),
    matching: Matching = MATCHINGS["usual"],
) -> Iterator[Case]:
    """Yields the first frames of a full side-by-side film as shots.

    Each shot also occurs mirrored, with swapped eyes.

    Args:
      frames: number of frames to read from the film's start.
      scored: number of scored frames, in the middle of `frames`.
      factors: each shot occurs at 1 / factor of its size, for each factor.
    """
    views = list(read_views(path, frames))
    swapped = [(right[:, ::-1].copy(), left[:, ::-1].copy()) for left, right in views]
    for name, shot in ((path.stem, views), (f"{path.stem} mirrored", swapped)):
        pairs = [match(left, right, matching) for left, right in shot]
        for factor in factors:
            shrunk = [shrink(pair, factor) for pair in pairs] if factor > 1 else pairs
            left, right = (
                to_float([getattr(pair, eye) for pair in shrunk])
                for eye in ("left", "right")
            )
            inputs = splatted(left, np.stack([pair.disparity for pair in shrunk]))
            numbers = middle(len(shrunk), min(scored, len(shrunk)))
            yield Case(set_name, "stereo film, matched", name, inputs, right, numbers)


def read_views(path: Path, frames: int) -> Iterator[tuple[Picture, Picture]]:
    """Yields the left and right view of the first frames of a side-by-side film."""
    with av.open(str(path)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i == frames:
                return
            left, right = np.split(frame.to_ndarray(format="rgb24"), 2, axis=1)
            yield left, right


def match(
    left: Picture, right: Picture, matching: Matching = MATCHINGS["usual"]
) -> Pair:
    """Matches two views by SGBM, with a left-right consistency check."""
    width = left.shape[1]
    max_disparity = 16 * max(1, round(0.1 * width / 16))
    matcher = cv2.StereoSGBM_create(
        minDisparity=0,
        numDisparities=max_disparity,
        blockSize=matching.block,
        P1=8 * 3 * matching.block**2,
        P2=32 * 3 * matching.block**2,
        uniquenessRatio=matching.uniqueness,
        speckleWindowSize=100,
        speckleRange=2,
        mode=matching.mode,
    )
    disparity = matcher.compute(left, right).astype(np.float32) / 16
    mirrored = [view[:, ::-1].copy() for view in (right, left)]
    right_disparity = matcher.compute(*mirrored).astype(np.float32)[:, ::-1] / 16
    # The disparities of a pixel and of its match in the right view must agree.
    match_x = np.round(np.arange(width) - disparity).astype(int).clip(0, width - 1)
    at_match = np.take_along_axis(right_disparity, match_x, axis=1)
    bad = (disparity < 0) | (np.abs(at_match - disparity) > 1)
    disparity = np.where(bad, np.nan, disparity).astype(np.float32)
    if matching.fill:
        disparity = cv2.medianBlur(background_of_row(disparity), 3)
    return Pair(left, right, disparity)


def shrink(pair: Pair, factor: int) -> Pair:
    """Returns the pair at 1 / factor of its size; its holes are narrower."""
    height, width = pair.disparity.shape
    size = (round(width / factor), round(height / factor))
    disparity = cv2.resize(pair.disparity, size, interpolation=cv2.INTER_NEAREST)
    if np.isfinite(disparity).all():
        disparity = cv2.medianBlur(disparity, 3)
    left, right = (
        cv2.resize(view, size, interpolation=cv2.INTER_AREA)
        for view in (pair.left, pair.right)
    )
    return Pair(left, right, disparity / factor)

"""Stereo pairs, splatted from one eye to the other: holes whose truth is known."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Bool, Float, UInt8
from stereojax.splat import forward_splat, sharpness_for
from stereojax.stage_types import is_hole
from stereojax.synthetic import make_film


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two views and the disparity of the left one, in pixels; NaN: unknown."""

    source: str  # a film or a picture; its frames differ little
    frame: str
    left: UInt8[np.ndarray, "h w 3"]
    right: UInt8[np.ndarray, "h w 3"]
    disparity: Float[np.ndarray, "h w"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A splatted view with its holes, and the truth."""

    warped: Float[np.ndarray, "h w 3"]
    occlusion: Float[np.ndarray, "h w"]
    truth: Float[np.ndarray, "h w 3"]
    counted: Bool[np.ndarray, "h w"]  # the hole's pixels that are scored


@dataclasses.dataclass(frozen=True)
class Matching:
    """How OpenCV's semi-global matching finds the disparity."""

    block: int = 5
    mode: int = cv2.STEREO_SGBM_MODE_SGBM_3WAY
    uniqueness: int = 5
    fill: bool = True  # unmatched pixels get their row's background; else unknown


MATCHINGS = {
    "usual": Matching(),
    "coarse": Matching(block=9, mode=cv2.STEREO_SGBM_MODE_SGBM, uniqueness=0),
    "unfilled": Matching(block=3, uniqueness=10, fill=False),
}


def video_pairs(
    path: Path, frames: list[int], matching: Matching = MATCHINGS["usual"]
) -> Iterator[Pair]:
    """Pairs of a full side-by-side film; each also mirrored, with the eyes swapped."""
    with av.open(str(path)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i in frames:
                both = frame.to_ndarray(format="rgb24")
                left, right = np.split(both, 2, axis=1)
                yield match(path.stem, f"{i}", left, right, matching)
                left, right = right[:, ::-1].copy(), left[:, ::-1].copy()
                yield match(path.stem, f"{i} mirrored", left, right, matching)


def synthetic_pairs(seeds: list[int], width: int) -> Iterator[Pair]:
    """One frame of each synthetic film, with its exact disparity."""
    for seed in seeds:
        height = width * 9 // 16
        film = make_film(seed, frames=2, height=height, width=width, shots=1)
        truth = next(film.render(1))
        left, right = (
            (255 * np.clip(x, 0, 1) + 0.5).astype(np.uint8)
            for x in (truth.left, truth.right)
        )
        yield Pair("synthetic", f"seed {seed}", left, right, truth.disparity)


def match(
    source: str,
    frame: str,
    left: UInt8[np.ndarray, "h w 3"],
    right: UInt8[np.ndarray, "h w 3"],
    matching: Matching = MATCHINGS["usual"],
) -> Pair:
    """A pair with the disparity that semi-global matching finds, checked both ways."""
    width = left.shape[1]
    reach = 16 * max(1, round(0.1 * width / 16))
    matcher = cv2.StereoSGBM_create(
        minDisparity=0,
        numDisparities=reach,
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
    back = matcher.compute(*mirrored).astype(np.float32)[:, ::-1] / 16
    # What a pixel's partner in the right view says of it.
    partner = np.round(np.arange(width) - disparity).astype(int)
    answer = np.take_along_axis(back, np.clip(partner, 0, width - 1), axis=1)
    bad = (disparity < 0) | (np.abs(answer - disparity) > 1)
    disparity = np.where(bad, np.nan, disparity).astype(np.float32)
    if matching.fill:
        disparity = cv2.medianBlur(_background_of_row(disparity), 3)
    return Pair(source, frame, left, right, disparity)


def _background_of_row(disparity: Float[np.ndarray, "h w"]):
    """Unknown pixels take the smaller disparity of the known ones beside them."""

    def carried(d):
        x = np.where(np.isfinite(d), np.arange(d.shape[1]), 0)
        return np.take_along_axis(d, np.maximum.accumulate(x, axis=1), axis=1)

    beside = np.fmin(carried(disparity), carried(disparity[:, ::-1])[:, ::-1])
    filled = np.where(np.isfinite(disparity), disparity, beside)
    return np.where(np.isfinite(filled), filled, np.nanmin(disparity))


def shrink(pair: Pair, factor: int) -> Pair:
    """The pair at 1 / factor of its size: the holes get narrow, the texture coarse."""
    height, width = pair.disparity.shape
    size = (round(width / factor), round(height / factor))
    disparity = cv2.resize(pair.disparity, size, interpolation=cv2.INTER_NEAREST)
    if np.isfinite(disparity).all():
        disparity = cv2.medianBlur(disparity, 3)
    left, right = (
        cv2.resize(view, size, interpolation=cv2.INTER_AREA)
        for view in (pair.left, pair.right)
    )
    return Pair(pair.source, pair.frame, left, right, disparity / factor)


def splatted(pair: Pair) -> Case:
    """The left view seen from the right; scored where it shows nothing."""
    splat = forward_splat(
        jnp.asarray(pair.left),
        jnp.asarray(pair.disparity),
        sharpness=sharpness_for(pair.left.shape[1]),
    )
    occlusion = np.asarray(splat.occlusion)
    return Case(
        np.asarray(splat.warped),
        occlusion,
        pair.right.astype(np.float32) / 255,
        inner_hole(is_hole(occlusion)),
    )


def inner_hole(hole: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The hole without the strips at the frame's sides, which lie outside the view.

    Crumbs of up to 4 known pixels do not end a strip.
    """
    closed = cv2.morphologyEx(
        hole.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8)
    ).astype(bool)
    strips = np.zeros_like(hole)
    for mask in (hole, closed):
        strips |= np.minimum.accumulate(mask, axis=1)
        strips |= np.minimum.accumulate(mask[:, ::-1], axis=1)[:, ::-1]
    return hole & ~strips

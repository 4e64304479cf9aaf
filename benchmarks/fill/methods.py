"""The fill methods that the benchmark compares; add a new method to `FILLS`."""

from collections.abc import Callable, Sequence

import cv2
import jax.numpy as jnp
import numpy as np

from benchmarks.fill.cases import FillInput, splatted
from stereojax.inpaint.background import fill_background
from stereojax.inpaint.compose import composite
from stereojax.inpaint.grow import grow_hole
from stereojax.inpaint.temporal_fill import (
    REACH,
    LeftFrame,
    show_found,
    temporal_fill,
)
from stereojax.shapes import Float
from stereojax.stage_types import Splat, is_hole

# (shot, frame numbers) -> right views of these frames. The shot is complete, so a fill
# can copy from other frames or splat the left view in another way. It does not contain
# the true right view.
Fill = Callable[[FillInput, Sequence[int]], Float[np.ndarray, "n h w 3"]]
# (warped, occlusion, disparity of the warped view) of one frame -> its right view.
FrameFill = Callable[
    [Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]],
    Float[np.ndarray, "h w 3"],
]

OURS = "background"
GROWTH_WIDTH = 480  # `grown` counts pixels of a picture this wide


def framewise(fill: FrameFill) -> Fill:
    """Returns the fill of a shot that fills each frame separately."""

    def fill_frames(shot: FillInput, frames: Sequence[int]):
        return np.stack(
            [
                fill(shot.warped[t], shot.occlusion[t], shot.warped_disparity[t])
                for t in frames
            ]
        )

    return fill_frames


def background(warped, occlusion, disparity):
    """Fills one frame as the config `fast` does."""
    frames = (jnp.asarray(x, jnp.float32)[None] for x in (warped, occlusion))
    return np.asarray(fill_background(*frames)[0])


def grown(pixels: int) -> FrameFill:
    """Returns `background` with holes that grow to the right, towards the background.

    The growth ignores depth, so it also replaces thin near objects beside a hole.
    """

    def fill(warped, occlusion, disparity):
        hole = is_hole(occlusion)
        for _ in range(round(pixels * hole.shape[1] / GROWTH_WIDTH)):
            hole[:, 1:] |= hole[:, :-1].copy()
        return background(warped, hole, disparity)

    return fill


def coverage_splat(fill: FrameFill) -> Fill:
    """Returns the fill of a shot that splats it with coverage compositing first."""

    def fill_frames(shot: FillInput, frames: Sequence[int]):
        wanted = list(frames)
        resplatted = splatted(shot.left[wanted], shot.disparity[wanted], "coverage")
        return framewise(fill)(resplatted, range(len(wanted)))

    return fill_frames


def clean(grow: float, feather: float = 0.0) -> FrameFill:
    """Returns `background` with holes that `grow_hole` grows over background pixels.

    `grow` and `feather` are in pixels of a picture 1024 wide, as in the settings.
    """

    def fill(warped, occlusion, disparity):
        warped, occlusion, disparity = (
            jnp.asarray(x, jnp.float32)[None] for x in (warped, occlusion, disparity)
        )
        share = grow_hole(occlusion, disparity, grow=grow, feather=feather)
        filled = fill_background(warped, (share > 0).astype(jnp.float32))
        return np.asarray(composite(warped, filled, share)[0])

    return fill


def temporal(grow: float, feather: float = 0.0) -> Fill:
    """Returns `clean`, but hole pixels first show what other frames show there.

    The cost that is scored includes preparing the frames around the scored ones, which
    a film pays once a frame.
    """

    def fill_frames(given: FillInput, frames: Sequence[int]):
        around = range(
            max(0, min(frames) - REACH), min(len(given.left), max(frames) + REACH + 1)
        )
        shot = {t: LeftFrame.prepare(given.left[t], given.disparity[t]) for t in around}
        views = []
        for t in frames:
            warped, occlusion, disparity = (
                jnp.asarray(x[t : t + 1], jnp.float32)
                for x in (given.warped, given.occlusion, given.warped_disparity)
            )
            share = grow_hole(occlusion, disparity, grow=grow, feather=feather)
            colors, found = temporal_fill(np.asarray(share[0] > 0), t, shot)
            hole = Splat(warped, (share > 0).astype(jnp.float32))
            shown = show_found(
                hole, jnp.asarray(colors)[None], jnp.asarray(found)[None]
            )
            filled = fill_background(shown.warped, shown.occlusion)
            views.append(np.asarray(composite(warped, filled, share)[0]))
        return np.stack(views)

    return fill_frames


def opencv(method: int) -> FrameFill:
    """Returns OpenCV's inpainting with a radius of 5 pixels."""

    def fill(warped, occlusion, disparity):
        pixels = (255 * warped + 0.5).astype(np.uint8)
        hole = is_hole(occlusion).astype(np.uint8)
        return cv2.inpaint(pixels, hole, 5, method).astype(np.float32) / 255

    return fill


def row_extension(warped, occlusion, disparity):
    """Repeats the nearest known pixel to the right, or to the left if there is none."""
    width = occlusion.shape[1]
    known = ~is_hole(occlusion)
    x = np.arange(width)[None]
    right = np.where(known, x, width)[:, ::-1]
    right = np.minimum.accumulate(right, axis=1)[:, ::-1]
    left = np.maximum.accumulate(np.where(known, x, 0), axis=1)
    source = np.where(right < width, right, left)
    return np.take_along_axis(warped, source[..., None], axis=1)


FILLS: dict[str, Fill] = {
    OURS: framewise(background),
    "grown 1 px": framewise(grown(1)),
    "grown 2 px": framewise(grown(2)),
    "coverage splat": coverage_splat(background),
    "coverage grown 1 px": coverage_splat(grown(1)),
    "clean": framewise(clean(2)),
    "clean with feather": framewise(clean(2, 2)),
    "temporal and clean": temporal(2),
    "coverage clean": coverage_splat(clean(2)),
    "row extension": framewise(row_extension),
    "Telea": framewise(opencv(cv2.INPAINT_TELEA)),
    "Navier-Stokes": framewise(opencv(cv2.INPAINT_NS)),
}

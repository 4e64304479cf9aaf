"""Temporal background fill: shows what the shot shows a moment before or after.

For each hole pixel the left views up to `REACH` frames away are searched for the
background that the near object hides. Every frame's result depends only on those
frames, so a film is filled as a stream and resumes anywhere.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from stereojax.inpaint.background_motion import Motion, corners, fit_motion, track
from stereojax.inpaint.hole_background import UNKNOWN, HoleBackground, hole_background
from stereojax.shapes import Array, Bool, Float, Int, Shaped, UInt8
from stereojax.stage_types import Splat

REACH = 12  # frames
# Each search begins with the motion of the one before in its direction.
STEPS = (1, 2, 4, 8, 12)
VIEWS = 4  # a pixel's colour is the mean over the closest frames that show it

# Lengths are in pixels of the analysed picture, colours in 8-bit steps.
ANALYSED_WIDTH = 480
CLEAR = 2  # distance that is kept from nearer surfaces in the other frame
FLAT = 1.0  # range of disparity around a corner
LAYER_SHARE, LAYER_MIN, LAYER_MAX = 0.25, 0.3, 0.6  # tolerance, of the hole's jump
FARTHER = 1.5  # tolerance of a surface behind the expected one
ANCHOR_COLUMNS, ANCHOR_ROWS = (2, 4, 6, 8), (-3, 0, 3)  # from the hole's far side
ANCHOR_DISPARITY = 0.5  # tolerance, with 0.15 of the jump
ANCHOR_MIN = 3  # visible anchors
ANCHOR_ERROR = 8.0  # mean difference of the anchors' colours
ANCHOR_ERROR_ALONE = 2.0  # likewise, where only one frame shows a pixel
VIEW_ERROR = 4.0  # mean deviation of the frames' colours from their mean


@dataclasses.dataclass(frozen=True)
class LeftFrame:
    """A left view, prepared for the search."""

    image: Shaped[np.ndarray, "h w 3"]  # uint8, uint16, or float32 in [0, 1]
    small: UInt8[np.ndarray, "hs ws 3"]
    grey: UInt8[np.ndarray, "hs ws"]
    disparity: Float[np.ndarray, "hs ws"]  # pixels of the small picture
    nearest: Float[np.ndarray, "hs ws"]  # the largest disparity within CLEAR

    @classmethod
    def prepare(
        cls,
        image: Shaped[np.ndarray, "h w 3"],
        disparity: Float[np.ndarray, "hd wd"],
    ) -> "LeftFrame":
        """Prepares a left view.

        Args:
          image: of the film.
          disparity: in pixels of its own width, which may be smaller than the image's;
            non-finite = unknown.
        """
        height, width = analysed_size(image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        small = small.astype(np.float32) * (255 / full_scale(image))
        small = (small + 0.5).astype(np.uint8)
        # Nearest: a mean over a silhouette is the disparity of nothing.
        reduced = cv2.resize(
            disparity.astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_NEAREST,
        )
        reduced = reduced * np.float32(width / disparity.shape[1])
        reduced = np.where(np.isfinite(reduced), reduced, np.float32(UNKNOWN))
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        return cls(image, small, grey, reduced, largest_within(reduced, CLEAR))


def analysed_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of the picture that is analysed instead of a larger."""
    height, width = size
    scale = max(1.0, width / ANALYSED_WIDTH)
    return max(1, round(height / scale)), round(width / scale)


def temporal_fill(
    hole: Bool[np.ndarray, "h w"],
    frame: int,
    shot: Mapping[int, LeftFrame],
) -> tuple[Float[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]:
    """Returns the colours of the hole pixels that other frames show, and their mask.

    Colours are in [0, 1], and 0 where no frame shows the background with certainty.

    Args:
      hole: pixels of the right view of `frame` to fill.
      frame: number of the frame in `shot`.
      shot: frames of the same shot by number; those within REACH are used.
    """
    colors = np.zeros((*hole.shape, 3), np.float32)
    found = np.zeros_like(hole)
    here = shot[frame]
    background = hole_background(hole, here.disparity)
    if not len(background.rows):
        return colors, found
    anchors = Anchors.of(background, here)
    tally = Tally(len(background.rows))
    run, (left_x, left_y) = background.run, background.left_places()
    behind = background.disparity[run]
    for other, motion in motions(background, frame, shot):
        there = shot[other]
        error = anchors.error(motion, there)[run]
        checked = np.flatnonzero(error < ANCHOR_ERROR)
        disparity = behind[checked]
        x, y = motion.move(left_x[checked], left_y[checked], disparity)
        jump = background.jump[run[checked]]
        seen = visible(x, y, motion.disparity(disparity), jump, there)
        pixels = checked[seen]
        tally.add(pixels, look(x[seen], y[seen], there), error[pixels])
    mean, sure = tally.result()
    found[background.rows[sure], background.columns[sure]] = True
    colors[background.rows[sure], background.columns[sure]] = mean[sure] / 255
    return colors, found


@jax.jit
def show_found(
    splat: Splat, colors: Float[Array, "t h w 3"], found: Bool[Array, "t h w"]
) -> Splat:
    """Returns the splat with the found pixels: the spatial fill may build on them."""
    return Splat(
        jnp.where(found[..., None], colors, splat.warped),
        jnp.where(found, 0, splat.occlusion),
    )


def motions(
    background: HoleBackground, frame: int, shot: Mapping[int, LeftFrame]
) -> Iterator[tuple[int, Motion]]:
    """Yields (other frame, motion of the background to it), closest frames first."""
    here = shot[frame]
    disparity = here.disparity
    flat = here.nearest + largest_within(-disparity, CLEAR) < FLAT
    points = corners(here.grey, flat & (here.nearest < UNKNOWN / 2))
    if not len(points):
        return
    depth = sample(disparity, *points.T)
    # What is nearer than the background of nearly all holes may move on its own.
    far = np.quantile(background.disparity, 0.95) + 1
    weights = np.where(depth <= far, 1.0, 0.1)
    before: dict[int, tuple[int, np.ndarray]] = {}
    for step in STEPS:
        for sign in (1, -1):
            there = shot.get(frame + sign * step)
            if there is None:
                continue
            last, move = before.get(sign, (step, np.zeros_like(points)))
            moved, tracked = track(
                here.grey, there.grey, points, points + move * (step / last)
            )
            tracked &= sample(there.nearest, *moved.T) < UNKNOWN / 2
            motion = fit_motion(
                points[tracked],
                depth[tracked],
                moved[tracked],
                sample(there.disparity, *moved[tracked].T),
                weights[tracked],
                disparity.shape,
            )
            if motion is None:
                continue
            predicted = np.stack(motion.move(*points.T, depth), axis=1)
            before[sign] = step, (predicted - points).astype(np.float32)
            yield frame + sign * step, motion


@dataclasses.dataclass(frozen=True)
class Anchors:
    """Visible background beside each hole, by which a motion is checked there."""

    columns: Int[np.ndarray, "r k"]
    rows: Int[np.ndarray, "r k"]
    disparity: Float[np.ndarray, "r k"]
    same: Bool[np.ndarray, "r k"]  # of the background's surface
    colors: Float[np.ndarray, "r k 3"]

    @classmethod
    def of(cls, background: HoleBackground, here: LeftFrame) -> "Anchors":
        height, width = here.disparity.shape
        down, across = (v.ravel() for v in np.meshgrid(ANCHOR_ROWS, ANCHOR_COLUMNS))
        columns = np.clip(background.far_column[:, None] + across, 0, width - 1)
        rows = np.clip(background.far_row[:, None] + down, 0, height - 1)
        disparity = here.disparity[rows, columns]
        tolerance = ANCHOR_DISPARITY + 0.15 * background.jump[:, None]
        same = np.abs(disparity - background.disparity[:, None]) < tolerance
        colors = here.small[rows, columns].astype(np.float32)
        return cls(columns, rows, disparity, same, colors)

    def error(self, motion: Motion, there: LeftFrame) -> Float[np.ndarray, "r"]:
        """Returns the mean colour difference of each run's anchors; inf = unknown."""
        x, y = motion.move(self.columns, self.rows, self.disparity)
        difference = np.abs(sample(there.small, x, y) - self.colors).mean(axis=-1)
        apart = sample(there.disparity, x, y) - motion.disparity(self.disparity)
        use = self.same & (np.abs(apart) < 1)
        count = use.sum(axis=1)
        mean = (difference * use).sum(axis=1) / np.maximum(count, 1)
        return np.where(count >= ANCHOR_MIN, mean, np.inf)


def visible(
    x: Float[np.ndarray, "n"],
    y: Float[np.ndarray, "n"],
    disparity: Float[np.ndarray, "n"],
    jump: Float[np.ndarray, "n"],
    there: LeftFrame,
) -> Bool[np.ndarray, "n"]:
    """Returns which places of another frame show a surface of that disparity clearly.

    Args:
      jump: of the hole; a larger one separates near object and background more.
    """
    tolerance = np.clip(LAYER_SHARE * jump, LAYER_MIN, LAYER_MAX)
    height, width = there.disparity.shape
    inside = (x >= 1) & (x < width - 2) & (y >= 1) & (y < height - 2)
    clear = sample(there.nearest, x, y) < disparity + tolerance
    close = sample(there.disparity, x, y) > disparity - FARTHER
    return inside & clear & close


def look(
    x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], there: LeftFrame
) -> Float[np.ndarray, "n 3"]:
    """Returns the colours, in 8-bit steps, at places of the small picture."""
    scale = there.image.shape[1] / there.disparity.shape[1]
    colors = sample(there.image, (x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5)
    return colors * np.float32(255 / full_scale(there.image))


class Tally:
    """Mean colour of each hole pixel over the first VIEWS frames that show it."""

    def __init__(self, pixels: int):
        self._count = np.zeros(pixels, int)
        self._colors = np.zeros((VIEWS, pixels, 3), np.float32)
        self._first_error = np.zeros(pixels)

    def add(
        self,
        pixels: Int[np.ndarray, "m"],
        colors: Float[np.ndarray, "m 3"],
        error: Float[np.ndarray, "m"],
    ) -> None:
        """Adds a frame's colours of the pixels that it shows."""
        free = self._count[pixels] < VIEWS
        pixels, colors, error = pixels[free], colors[free], error[free]
        self._colors[self._count[pixels], pixels] = colors
        first = self._count[pixels] == 0
        self._first_error[pixels[first]] = error[first]
        self._count[pixels] += 1

    def result(self) -> tuple[Float[np.ndarray, "n 3"], Bool[np.ndarray, "n"]]:
        """Returns the means, and which of them are certain."""
        count = np.maximum(self._count, 1)
        mean = self._colors.sum(axis=0) / count[:, None]
        used = np.arange(VIEWS)[:, None] < self._count
        apart = np.abs(self._colors - mean).mean(axis=-1) * used
        agree = apart.sum(axis=0) / count < VIEW_ERROR
        alone = (self._count == 1) & (self._first_error >= ANCHOR_ERROR_ALONE)
        return mean, (self._count > 0) & agree & ~alone


def full_scale(image: Shaped[np.ndarray, "h w 3"]) -> float:
    """Returns the value of white."""
    integers = np.issubdtype(image.dtype, np.integer)
    return float(np.iinfo(image.dtype).max) if integers else 1.0


def sample(
    picture: Shaped[np.ndarray, "h w *c"],
    x: Shaped[np.ndarray, "*n"],
    y: Shaped[np.ndarray, "*n"],
) -> Float[np.ndarray, "*nc"]:
    """Interpolates a picture linearly at columns x and rows y."""
    across = 1024  # OpenCV bounds the sides of the result
    down = max(1, -(-x.size // across))
    places = np.zeros((2, down * across), np.float32)
    places[0, : x.size], places[1, : x.size] = x.ravel(), y.ravel()
    found = cv2.remap(
        picture,
        *places.reshape(2, down, across),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    channels = picture.shape[2:]
    found = found.reshape(-1, *channels)[: x.size]
    return found.reshape(*x.shape, *channels).astype(np.float32)


def largest_within(
    values: Float[np.ndarray, "h w"], distance: int
) -> Float[np.ndarray, "h w"]:
    """Returns the largest value of the square of that half side around each pixel."""
    for axis in (0, 1):
        values = np.swapaxes(values, 0, axis)
        largest = values.copy()
        for shift in range(1, distance + 1):
            np.maximum(largest[shift:], values[:-shift], out=largest[shift:])
            np.maximum(largest[:-shift], values[shift:], out=largest[:-shift])
        values = np.swapaxes(largest, 0, axis)
    return values

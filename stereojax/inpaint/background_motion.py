"""Motion of a shot's background between two left views, from tracked corners.

A rigid scene with inverse depth d moves by a homography plus d times one vector (plane
and parallax; Hartley and Zisserman, Multiple View Geometry, ch. 13). Disparity is
inverse depth but for a scale and a shift, which the model absorbs. One fit so gives the
motion of background that the near object hides, from corners where it is visible. It
holds for still, turning and travelling cameras.
"""

import dataclasses

import cv2
import numpy as np

from stereojax.shapes import Bool, Float, Shaped, UInt8

CORNERS = 200
CORNER_DISTANCE = 1 / 40  # between corners, of the width
CORNER_QUALITY = 0.003  # of the strongest corner's response
PATCH = 9  # side of the tracked patch, pixels
LEVELS = 3  # pyramid levels above the picture
MARGIN = 3  # pixels: tracks closer to the frame's border are not used
MIN_TRACKS = 30

# Residuals beyond which a track loses its weight, in pixels: from coarse to fine, so
# that the fit does not stop at the motion of a few corners.
RESIDUALS = (8.0, 4.0, 2.0, 1.0, 0.6, 0.6, 0.6)
INLIER = 1.0  # pixels
DISPARITY_RESIDUAL = 0.3  # pixels
# Disparity relative to half the width is small; this gives it the size of coordinates.
DISPARITY_GAIN = 8.0


@dataclasses.dataclass(frozen=True)
class Motion:
    """Maps places of the static scene in one frame to their places in another."""

    matrix: Float[np.ndarray, "3 4"]  # of (x, y, 1, disparity), normalised
    disparity_scale: float
    disparity_shift: float
    size: tuple[int, int]  # height, width of both frames

    def move(
        self,
        x: Shaped[np.ndarray, "*n"],
        y: Shaped[np.ndarray, "*n"],
        disparity: Float[np.ndarray, "*n"],
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
        """Returns the columns and rows in the other frame."""
        height, width = self.size
        half = width / 2
        # The normalisation, folded into the matrix.
        normalize = np.array(
            [
                [1 / half, 0, -1, 0],
                [0, 1 / half, -height / width, 0],
                [0, 0, 1, 0],
                [0, 0, 0, DISPARITY_GAIN / half],
            ]
        )
        across, down, depth = (
            row[0] * x + row[1] * y + row[2] + row[3] * disparity
            for row in self.matrix @ normalize
        )
        factor = half / np.where(np.abs(depth) < 1e-3, 1e-3, depth)
        return across * factor + half, down * factor + height / 2

    def disparity(self, disparity: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Returns the disparity that the other frame gives to the same surface."""
        return self.disparity_scale * disparity + self.disparity_shift


def corners(
    grey: UInt8[np.ndarray, "h w"], smooth: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "n 2"]:
    """Returns (column, row) of corners where `smooth`: away from depth edges."""
    found = cv2.goodFeaturesToTrack(
        grey,
        CORNERS,
        CORNER_QUALITY,
        max(2, CORNER_DISTANCE * grey.shape[1]),
        mask=smooth.astype(np.uint8),
        blockSize=5,
    )
    return np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2)


def track(
    first: UInt8[np.ndarray, "h w"],
    other: UInt8[np.ndarray, "h w"],
    points: Float[np.ndarray, "n 2"],
    guess: Float[np.ndarray, "n 2"],
) -> tuple[Float[np.ndarray, "n 2"], Bool[np.ndarray, "n"]]:
    """Returns the points' places in the other frame, and which were found inside it."""
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        first,
        other,
        points[:, None],
        guess[:, None].astype(np.float32),
        winSize=(PATCH, PATCH),
        maxLevel=LEVELS,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    moved = moved.reshape(-1, 2)
    height, width = first.shape
    inside = (moved > MARGIN) & (moved < np.array([width, height]) - 1 - MARGIN)
    return moved, (status.reshape(-1) > 0) & inside.all(axis=1)


def fit_motion(
    points: Float[np.ndarray, "n 2"],
    disparity: Float[np.ndarray, "n"],
    moved: Float[np.ndarray, "n 2"],
    moved_disparity: Float[np.ndarray, "n"],
    weights: Float[np.ndarray, "n"],
    size: tuple[int, int],
) -> Motion | None:
    """Fits a motion to tracks; None if too few agree.

    Args:
      points: (column, row) in the first frame; `disparity` is theirs.
      moved: the same in the other frame; `moved_disparity` is read there.
      weights: prior weight of each track.
      size: height, width of both frames.
    """
    if len(points) < MIN_TRACKS:
        return None
    height, width = size
    terms = _terms(points[:, 0], points[:, 1], disparity, size)
    target = (moved - np.array([width / 2, height / 2])) / (width / 2)
    equations = _equations(terms, target)
    # Tracks of one plane leave parallax open: unknowns are drawn weakly to no motion.
    prior = np.zeros(11)
    prior[[0, 5]] = 1
    pull = len(points) * np.array([5e-6] * 8 + [5e-4] * 3)
    pull[[2, 6]] = 1e-6
    values = np.concatenate([target[:, 0], target[:, 1]])
    trust = weights.astype(np.float64)
    for scale in RESIDUALS:
        weighted = equations * np.concatenate([trust, trust])[:, None]
        solved = np.linalg.solve(
            weighted.T @ equations + np.diag(pull), weighted.T @ values + pull * prior
        )
        matrix = np.array([solved[:4], solved[4:8], [*solved[8:10], 1, solved[10]]])
        motion = Motion(matrix, 1.0, 0.0, size)
        x, y = motion.move(points[:, 0], points[:, 1], disparity)
        error = np.hypot(x - moved[:, 0], y - moved[:, 1])
        trust = weights / (1 + (error / scale) ** 2) ** 2
    agree = error < INLIER
    if agree.sum() < MIN_TRACKS:
        return None
    scale, shift = fit_line(disparity[agree], moved_disparity[agree])
    return dataclasses.replace(motion, disparity_scale=scale, disparity_shift=shift)


def fit_line(
    x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]
) -> tuple[float, float]:
    """Returns scale and shift of y over x, robustly; scale 1 where x does not vary."""
    terms = np.stack([x, np.ones_like(x)], axis=1).astype(np.float64)
    pull = np.array([1e-3 * len(x), 1e-6])
    trust = np.ones(len(x))
    for _ in range(5):
        weighted = terms * trust[:, None]
        line = np.linalg.solve(
            weighted.T @ terms + np.diag(pull), weighted.T @ y + pull * [1, 0]
        )
        trust = 1 / (1 + ((terms @ line - y) / DISPARITY_RESIDUAL) ** 2) ** 2
    return float(line[0]), float(line[1])


def _terms(x, y, disparity, size):
    """Returns (x, y, 1, disparity), each in units of half the width."""
    height, width = size
    half = width / 2
    return np.stack(
        [
            (x - width / 2) / half,
            (y - height / 2) / half,
            np.ones_like(x),
            disparity / half * DISPARITY_GAIN,
        ],
        axis=-1,
    )


def _equations(terms, target):
    """Returns the linear equations of the 11 unknowns of a motion's matrix."""
    none = np.zeros_like(terms)
    ratio = terms[:, [0, 1, 3]]
    return np.concatenate(
        [
            np.concatenate([terms, none, -target[:, :1] * ratio], axis=1),
            np.concatenate([none, terms, -target[:, 1:] * ratio], axis=1),
        ]
    )

"""Writes side-by-side crops around the largest holes, for visual comparison."""

from pathlib import Path

import cv2
import numpy as np

from benchmarks.fill.cases import Case
from stereojax.shapes import Bool, Float

CROP = 0.2  # side of a crop, as a fraction of the width
ZOOM = 2
LABEL = 18  # pixel rows for the names above the columns
HOLE_COLOR = (1.0, 0.0, 1.0)


def save_crops(
    folder: Path,
    case: Case,
    fills: dict[str, Float[np.ndarray, "n h w 3"]],
    places: int = 3,
) -> Path:
    """Writes one PNG of right views: a row for each place, a column for each fill.

    The first column is the splat with its hole in magenta; the last column is the true
    view. Crops are of the middle scored frame and are enlarged `ZOOM` times.
    """
    frame = len(case.scored) // 2
    hole = case.hole()[frame]
    warped = np.where(
        case.inputs.hole[case.scored[frame]][..., None],
        np.float32(HOLE_COLOR),
        case.inputs.warped[case.scored[frame]],
    )
    columns = {
        "splat": warped,
        **{name: views[frame] for name, views in fills.items()},
        "truth": case.right[case.scored[frame]],
    }
    height, width = hole.shape
    size = min(height, round(CROP * width))
    rows = []
    for y, x in largest_holes(hole, size, places):
        window = np.s_[y : y + size, x : x + size]
        crops = [_enlarged(picture[window]) for picture in columns.values()]
        rows.append(np.hstack(crops))
    head = [_label(name, ZOOM * size) for name in columns]
    sheet = np.vstack([np.hstack(head), *rows])
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{case.set} {case.source} {case.name} {width}".replace(",", "")
    path = folder / f"{name.replace(' ', '_')}.png"
    cv2.imwrite(str(path), sheet[..., ::-1])
    return path


def largest_holes(
    hole: Bool[np.ndarray, "h w"], size: int, places: int
) -> list[tuple[int, int]]:
    """Returns top left corners (y, x) of squares of side `size` with the most hole.

    The square with the most hole comes first; centres are at least `size` apart.
    """
    density = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), size / 5)
    height, width = hole.shape
    corners = []
    while len(corners) < places and density.max() > 1e-3:
        y, x = np.unravel_index(np.argmax(density), density.shape)
        top = int(np.clip(y - size // 2, 0, height - size))
        left = int(np.clip(x - size // 2, 0, width - size))
        corners.append((top, left))
        density[max(0, y - size) : y + size, max(0, x - size) : x + size] = 0
    return corners


def _enlarged(crop: Float[np.ndarray, "h w 3"]) -> np.ndarray:
    pixels = (255 * np.clip(crop, 0, 1) + 0.5).astype(np.uint8)
    pixels = cv2.resize(pixels, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
    pixels[:, -1] = 255  # a line between the columns
    pixels[-1] = 255
    return pixels


def _label(text: str, width: int) -> np.ndarray:
    label = np.full((LABEL, width, 3), 255, np.uint8)
    font, black = cv2.FONT_HERSHEY_SIMPLEX, (0, 0, 0)
    return cv2.putText(label, text, (3, 13), font, 0.45, black, 1, cv2.LINE_AA)

"""Draws exact stereo pairs: wires, a slanted bar and a disc before a textured wall.

Both views are drawn from formulas, so the opacity of each pixel is known. The benchmark
measures the widths of the wires (1 to 8 px) and the edges of the bar and the disc in
the right view. The near disparity changes by a fraction of a pixel per frame.
"""

import dataclasses

import numpy as np

from benchmarks.fill.cases import Case, Silhouettes, middle, splatted
from stereojax.shapes import Float

WIDTHS = (1, 2, 3, 5, 8)  # of the wires, in pixels
NEAR = np.array([0.92, 0.16, 0.12], np.float32)  # colour of the near objects
WAVES = 24  # sine waves in the texture of the wall


@dataclasses.dataclass(frozen=True)
class Wall:
    """A texture of random waves and stripes, defined at real-valued positions."""

    # Cycles per pixel along x and y, phase, amplitude.
    waves: Float[np.ndarray, "n 4"]

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Wall":
        frequency = rng.uniform(0.005, 0.12, WAVES)
        angle = rng.uniform(0, 2 * np.pi, WAVES)
        columns = (
            frequency * np.cos(angle),
            frequency * np.sin(angle),
            rng.uniform(0, 2 * np.pi, WAVES),
            0.12 * rng.uniform(0.3, 1, WAVES) / (1 + 20 * frequency),
        )
        return cls(np.stack(columns, -1))

    def __call__(self, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "h w 3"]:
        """Returns the wall's colours, whose red is always below that of `NEAR`."""
        gray = np.full(np.broadcast_shapes(x.shape, y.shape), 0.42)
        for across, down, phase, amplitude in self.waves:
            gray += amplitude * np.sin(2 * np.pi * (across * x + down * y) + phase)
        # Straight lines, which a good fill continues through the hole.
        gray -= 0.2 * np.exp(-(((y - 0.2 * x) % 60 - 30) ** 2) / 8)
        gray = np.clip(gray, 0.05, 0.75)[..., None]
        return (gray * np.array([0.9, 1.0, 0.95])).astype(np.float32)


def wires_case(
    set_name: str,
    seed: int,
    width: int,
    *,
    reach: int,  # frames before and after the scored ones
    scored: int,  # number of scored frames
    wall_speed: float = 0.0,  # pixels per frame, to the left
) -> Case:
    """Draws the scene; the near disparity grows by one pixel over the scored frames."""
    rng = np.random.default_rng([seed, 11])
    wall, offset = Wall.random(rng), rng.uniform(0, 1)
    height, count = width * 9 // 16, scored + 2 * reach
    x = np.arange(width, dtype=np.float64)[None]
    y = np.arange(height, dtype=np.float64)[:, None]
    far_disparity = -0.004 * width
    lefts, rights, fars, disparities = [], [], [], []
    for i in range(count):
        near_disparity = 0.009 * width + i / scored
        wall_x = x + offset + wall_speed * i
        opacity = near_opacity(x, y, width)[..., None]
        lefts.append(opacity * NEAR + (1 - opacity) * wall(wall_x, y))
        far = wall(wall_x + far_disparity, y)
        opacity_right = near_opacity(x + near_disparity, y, width)[..., None]
        rights.append(opacity_right * NEAR + (1 - opacity_right) * far)
        fars.append(far)
        near = opacity[..., 0] > 0.5
        disparities.append(np.where(near, near_disparity, far_disparity))
    left, right, far, disparity = (
        np.stack(frames).astype(np.float32)
        for frames in (lefts, rights, fars, disparities)
    )
    scored_frames = middle(count, scored)
    wall_moves = "moving" if wall_speed else "static"
    return Case(
        set_name,
        f"wires, {wall_moves} wall, exact",
        f"seed {seed}",
        splatted(left, disparity),
        right,
        scored_frames,
        Silhouettes(NEAR, far, *_regions(width, height)),
    )


def near_opacity(x: np.ndarray, y: np.ndarray, width: int) -> Float[np.ndarray, "h w"]:
    """Returns the exact opacity of the near objects in pixels centred at (x, y)."""
    opacity = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    height = width * 9 // 16
    top = y < _rows_of_wires(height)
    for wire, column in zip(WIDTHS, _wire_columns(width), strict=True):
        # Overlap of [x - 0.5, x + 0.5] with the wire.
        covered = np.minimum(x + 0.5, column + wire - 0.5) - np.maximum(
            x - 0.5, column - 0.5
        )
        with_wire = np.maximum(opacity, np.clip(covered, 0, 1))
        opacity = np.where(top, with_wire, opacity)
    bar, disc = _bar_and_disc(width, height)
    return np.where(top, opacity, np.maximum(bar(x, y), disc(x, y)))


def _rows_of_wires(height: int) -> int:
    """Returns the number of rows at the top of the frame that show wires."""
    return height // 2


def _wire_columns(width: int) -> list[int]:
    """Returns the first column of each wire in the left view."""
    return [round(width * (i + 0.6) / 5) for i in range(5)]


def _bar_and_disc(width: int, height: int):
    """Returns the opacities of a slanted bar and a disc as functions of position.

    At their edges, the opacity falls from 1 to 0 over one pixel.
    """
    middle_row = 0.75 * height

    def bar(x, y):
        slope = 0.35
        distance = np.abs(x - 0.28 * width - slope * (y - middle_row))
        distance = distance / np.hypot(1, slope)
        ends = np.abs(y - middle_row) - 0.2 * height
        return np.clip(0.5 - np.maximum(distance - 0.02 * width, ends), 0, 1)

    def disc(x, y):
        distance = np.hypot(x - 0.7 * width, y - middle_row)
        return np.clip(0.5 - (distance - 0.17 * height), 0, 1)

    return bar, disc


def _regions(width: int, height: int):
    """Returns regions of the right view with one wire, the bar or the disc each."""
    margin = round(0.03 * width)
    rows = slice(4, _rows_of_wires(height) - 4)
    wires = tuple(
        (rows, slice(column - margin, column + wire + margin))
        for wire, column in zip(WIDTHS, _wire_columns(width), strict=True)
    )
    middle_row = 0.75 * height
    rows = slice(round(middle_row - 0.1 * height), round(middle_row + 0.1 * height))
    edges = (
        (rows, slice(round(0.18 * width), round(0.4 * width))),
        (rows, slice(round(0.5 * width), round(0.84 * width))),
    )
    return wires, edges

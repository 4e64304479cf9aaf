"""Wires and slanted silhouettes over a textured wall, drawn exactly in both eyes.

Both views are drawn from formulas, so each pixel's opacity is known: wires of 1 to 8 px
(their widths in the right eye are measured), a slanted bar and a disc (their edges are
measured). The near disparity changes by a fraction of a pixel from frame to frame.
"""

import dataclasses

import numpy as np

from benchmarks.fill.cases import Case, Silhouettes, middle, splatted
from stereojax.shapes import Float

WIDTHS = (1, 2, 3, 5, 8)  # pixels
NEAR = np.array([0.92, 0.16, 0.12], np.float32)
WAVES = 24


@dataclasses.dataclass(frozen=True)
class Wall:
    """A texture defined at every real position: random waves and stripes."""

    # Cycles per pixel along x and y, phase, amplitude.
    waves: Float[np.ndarray, "n 4"]

    @classmethod
    def of(cls, rng: np.random.Generator) -> "Wall":
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
        """Returns the wall's colours; its red never reaches that of `NEAR`."""
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
    reach: int,
    scored: int,
    wall_speed: float = 0.0,  # pixels per frame, to the left
) -> Case:
    """Draws the scene; the near disparities of the scored frames cover one pixel."""
    rng = np.random.default_rng([seed, 11])
    wall, start = Wall.of(rng), rng.uniform(0, 1)
    height, count = width * 9 // 16, scored + 2 * reach
    x = np.arange(width, dtype=np.float64)[None]
    y = np.arange(height, dtype=np.float64)[:, None]
    far_disparity = -0.004 * width
    lefts, rights, fars, disparities = [], [], [], []
    for i in range(count):
        near_disparity = 0.009 * width + i / scored
        moved = x + start + wall_speed * i
        opacity = near_opacity(x, y, width)[..., None]
        lefts.append(opacity * NEAR + (1 - opacity) * wall(moved, y))
        far = wall(moved + far_disparity, y)
        opacity_right = near_opacity(x + near_disparity, y, width)[..., None]
        rights.append(opacity_right * NEAR + (1 - opacity_right) * far)
        fars.append(far)
        near = opacity[..., 0] > 0.5
        disparities.append(np.where(near, near_disparity, far_disparity))
    left, right, far, disparity = (
        np.stack(frames).astype(np.float32)
        for frames in (lefts, rights, fars, disparities)
    )
    where = middle(count, scored)
    wall_moves = "moving" if wall_speed else "static"
    return Case(
        set_name,
        f"wires, {wall_moves} wall, exact",
        f"seed {seed}",
        splatted(left, disparity),
        right,
        where,
        Silhouettes(NEAR, far, *_windows(width, height)),
    )


def near_opacity(x: np.ndarray, y: np.ndarray, width: int) -> Float[np.ndarray, "h w"]:
    """Returns the near objects' exact coverage of pixels centred at real (x, y)."""
    opacity = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    height = width * 9 // 16
    top = y < _split(height)
    for wire, at in zip(WIDTHS, _places(width), strict=True):
        # Overlap of [x - 0.5, x + 0.5] with the wire.
        covered = np.minimum(x + 0.5, at + wire - 0.5) - np.maximum(x - 0.5, at - 0.5)
        with_wire = np.maximum(opacity, np.clip(covered, 0, 1))
        opacity = np.where(top, with_wire, opacity)
    bar, disc = _objects(width, height)
    return np.where(top, opacity, np.maximum(bar(x, y), disc(x, y)))


def _split(height: int) -> int:
    """Returns the first row below the wires."""
    return height // 2


def _places(width: int) -> list[int]:
    """Returns the first column of each wire in the left view."""
    return [round(width * (i + 0.6) / 5) for i in range(5)]


def _objects(width: int, height: int):
    """Returns the opacities of a slanted bar and a disc as functions of position.

    Their edges are one pixel wide.
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


def _windows(width: int, height: int):
    """Returns the windows of the right view with one wire or one object each."""
    margin = round(0.03 * width)
    rows = slice(4, _split(height) - 4)
    wires = tuple(
        (rows, slice(at - margin, at + wire + margin))
        for wire, at in zip(WIDTHS, _places(width), strict=True)
    )
    middle_row = 0.75 * height
    rows = slice(round(middle_row - 0.1 * height), round(middle_row + 0.1 * height))
    edges = (
        (rows, slice(round(0.18 * width), round(0.4 * width))),
        (rows, slice(round(0.5 * width), round(0.84 * width))),
    )
    return wires, edges

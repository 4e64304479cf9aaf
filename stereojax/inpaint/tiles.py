"""Tiles of a window: where they lie, and how much each one counts. Pure.

All in latents, one of which stands for 8x8 pixels.
"""

import dataclasses
import math

import numpy as np

from stereojax.shapes import Bool, Float


@dataclasses.dataclass(frozen=True)
class Tiles:
    """Tiles of one size, at every pair of a row of `tops` and a column of `lefts`.

    They cover a canvas of `canvas` (height, width); their order is row by row.
    """

    canvas: tuple[int, int]
    size: tuple[int, int]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    @property
    def corners(self) -> list[tuple[int, int]]:
        """(top, left) of each tile."""
        return [(top, left) for top in self.tops for left in self.lefts]

    def weights(self) -> Float[np.ndarray, "n h w"]:
        """How much each tile counts: ramps over the overlaps; they sum to 1."""
        down = _weights(self.canvas[0], self.size[0], self.tops)
        across = _weights(self.canvas[1], self.size[1], self.lefts)
        both = down[:, None, :, None] * across[None, :, None, :]
        return np.float32(both.reshape(len(self), *self.size))

    def touched(self, mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, " n"]:
        """Which tiles hold anything of a mask of the canvas."""
        height, width = self.size
        parts = [mask[y : y + height, x : x + width] for y, x in self.corners]
        return np.array([part.any() for part in parts])


def plan_tiles(
    canvas: tuple[int, int],
    longest: tuple[int, int],
    *,
    overlap: int,
    multiple: int,
) -> Tiles:
    """The fewest tiles that will do, all equal, spread evenly.

    Args:
      canvas: height and width, multiples of `multiple`.
      longest: of a tile, each way.
      overlap: at least so much is shared by neighbours; rounding makes it more.
      multiple: a tile's height and width are multiples of this.

    Raises:
      ValueError: tiles so small that neighbours would not get ahead.
    """
    rows, columns = (
        _axis(total, most, overlap, multiple)
        for total, most in zip(canvas, longest, strict=True)
    )
    return Tiles(canvas, (rows[0], columns[0]), rows[1], columns[1])


def plan_published_tiles(canvas: tuple[int, int], number: int) -> Tiles:
    """`number` x `number` tiles that overlap by 16, as StereoCrafter's code lays them.

    Raises:
      ValueError: the canvas cannot be divided so; which numbers fit depends on it.
    """
    sizes = [(total + 16 * (number - 1)) / number for total in canvas]
    for size in sizes:
        if size % 8 or (number > 1 and size <= 16):
            raise ValueError(
                f"{number} tiles of {canvas[0]}x{canvas[1]} latents would be {size:g} "
                "long, which is no multiple of 8 above 16"
            )
    starts = [tuple(i * (int(size) - 16) for i in range(number)) for size in sizes]
    return Tiles(canvas, (int(sizes[0]), int(sizes[1])), *starts)


def _axis(
    total: int, longest: int, overlap: int, multiple: int
) -> tuple[int, tuple[int, ...]]:
    """A tile's length along one axis, and where each begins."""
    longest = longest // multiple * multiple
    if total <= longest:
        return total, (0,)
    if longest <= overlap:
        raise ValueError(
            f"tiles of {longest} latents must be longer than their overlap, {overlap}"
        )
    count = math.ceil((total - overlap) / (longest - overlap))
    even = (total + overlap * (count - 1)) / count
    size = math.ceil(even / multiple) * multiple
    # Rounding up may leave nothing for the last tile to do.
    while count > 2 and size * (count - 1) - overlap * (count - 2) >= total:
        count -= 1
    starts = (round(i * (total - size) / (count - 1)) for i in range(count))
    return size, tuple(starts)


def _weights(total: int, size: int, starts: tuple[int, ...]) -> np.ndarray:
    """(len(starts), size) float64 along one axis; over the canvas they sum to 1."""
    weights = np.ones((len(starts), size))
    for i in range(1, len(starts)):
        shared = starts[i - 1] + size - starts[i]
        ramp = np.arange(1, shared + 1) / (shared + 1)
        weights[i, :shared] *= ramp
        weights[i - 1, size - shared :] *= ramp[::-1]
    # Where three tiles meet on one axis their ramps do not complement each other.
    whole = np.zeros(total)
    for start, weight in zip(starts, weights, strict=True):
        whole[start : start + size] += weight
    return np.stack(
        [w / whole[s : s + size] for s, w in zip(starts, weights, strict=True)]
    )

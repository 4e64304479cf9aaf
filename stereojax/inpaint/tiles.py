"""Tiles of a window of latents: their plan, and the canvas cut into them and merged.

All sizes are in latents, each of which stands for 8x8 pixels.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Bool, Float, Int


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
        """Returns each tile's blending weights: ramps over the overlaps, of sum 1."""
        down = _weights(self.canvas[0], self.size[0], self.tops)
        across = _weights(self.canvas[1], self.size[1], self.lefts)
        both = down[:, None, :, None] * across[None, :, None, :]
        return np.float32(both.reshape(len(self), *self.size))


def plan_tiles(
    canvas: tuple[int, int],
    longest: tuple[int, int],
    *,
    overlap: int,
    multiple: int,
) -> Tiles:
    """Plans the fewest tiles that cover a canvas, all equal and evenly spread.

    Args:
      canvas: height and width, multiples of `multiple`.
      longest: largest height and width of a tile.
      overlap: smallest overlap of neighbours; rounding may enlarge it.
      multiple: a tile's height and width are multiples of this.

    Raises:
      ValueError: the longest tile is no longer than the overlap.
    """
    rows, columns = (
        _axis(total, most, overlap, multiple)
        for total, most in zip(canvas, longest, strict=True)
    )
    return Tiles(canvas, (rows[0], columns[0]), rows[1], columns[1])


def _axis(
    total: int, longest: int, overlap: int, multiple: int
) -> tuple[int, tuple[int, ...]]:
    """Returns a tile's length along one axis, and the start of each tile."""
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
    # Rounding the size up may make the last tile superfluous.
    while count > 2 and size * (count - 1) - overlap * (count - 2) >= total:
        count -= 1
    starts = (round(i * (total - size) / (count - 1)) for i in range(count))
    return size, tuple(starts)


def _weights(total: int, size: int, starts: tuple[int, ...]) -> np.ndarray:
    """Returns (len(starts), size) float64 weights along one axis, of sum 1."""
    weights = np.ones((len(starts), size))
    for i in range(1, len(starts)):
        shared = starts[i - 1] + size - starts[i]
        ramp = np.arange(1, shared + 1) / (shared + 1)
        weights[i, :shared] *= ramp
        weights[i - 1, size - shared :] *= ramp[::-1]
    # Where three tiles meet on one axis their ramps do not complement each other.
    total_weight = np.zeros(total)
    for start, weight in zip(starts, weights, strict=True):
        total_weight[start : start + size] += weight
    return np.stack(
        [w / total_weight[s : s + size] for s, w in zip(starts, weights, strict=True)]
    )


def cut_tiles(
    canvas: Float[Array, "t h w z"], tiles: Tiles
) -> Float[Array, "n t h2 w2 z"]:
    """Returns the tiles of a canvas."""
    height, width = tiles.size
    return jnp.stack(
        [canvas[:, y : y + height, x : x + width] for y, x in tiles.corners]
    )


def merge_tiles(
    pieces: Float[Array, "n t h w z"],
    tiles: Tiles,
    active: Bool[Array, " n"],
    otherwise: Float[Array, "t h2 w2 z"],
) -> Float[Array, "t h2 w2 z"]:
    """Returns the canvas: the mean of the active tiles, weighted by their ramps.

    Where no active tile is, the canvas is `otherwise`.
    """
    height, width = tiles.size
    weights = jnp.asarray(tiles.weights()) * active[:, None, None]
    total = jnp.zeros(tiles.canvas)
    canvas = jnp.zeros((pieces.shape[1], *tiles.canvas, pieces.shape[-1]))
    for i, (y, x) in enumerate(tiles.corners):
        area = np.s_[y : y + height, x : x + width]
        total = total.at[area].add(weights[i])
        # Selected and not multiplied by 0: an inactive tile may hold NaN.
        piece = jnp.where(active[i], pieces[i] * weights[i][..., None], 0)
        canvas = canvas.at[:, *area].add(piece)
    covered = total[..., None] > 0
    return jnp.where(
        covered, canvas / jnp.where(covered, total[..., None], 1), otherwise
    )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Synchronize:
    """`after_step` of `svd.denoise`: blends neighbouring tiles where they overlap.

    The batch holds the tiles in the order `order`.
    """

    active: Bool[Array, " n"]  # in the tiles' own order
    order: Int[Array, " n"]
    tiles: Tiles = dataclasses.field(metadata={"static": True})

    def __call__(
        self, pieces: Float[Array, "n t h w z"], sigma: Float[Array, ""]
    ) -> Float[Array, "n t h w z"]:
        empty = jnp.zeros((pieces.shape[1], *self.tiles.canvas, pieces.shape[-1]))
        in_order = pieces[jnp.argsort(self.order)]
        canvas = merge_tiles(in_order, self.tiles, self.active, empty)
        return cut_tiles(canvas, self.tiles)[self.order]

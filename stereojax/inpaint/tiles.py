"""Plans overlapping tiles of a window's latents, cuts out the tiles and merges them.

The canvas is the whole height and width of the latents. All sizes and positions are in
latents (pixels of the VAE's latent space); a latent is 8x8 pixels of the picture.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class Tiles:
    """A grid of equal, overlapping tiles that cover a canvas, ordered row by row."""

    canvas: tuple[int, int]  # height and width of the canvas
    size: tuple[int, int]  # height and width of each tile
    tops: tuple[int, ...]  # first row of the tiles in each row of the grid
    lefts: tuple[int, ...]  # first column of the tiles in each column of the grid

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    @property
    def corners(self) -> list[tuple[int, int]]:
        """(top, left) of each tile."""
        return [(top, left) for top in self.tops for left in self.lefts]

    def weights(self) -> Float[np.ndarray, "n h w"]:
        """Returns each tile's blending weights: ramps over the overlaps.

        At each position of the canvas the weights sum to 1.
        """
        down = _weights(self.canvas[0], self.size[0], self.tops)
        across = _weights(self.canvas[1], self.size[1], self.lefts)
        weights = down[:, None, :, None] * across[None, :, None, :]
        return np.float32(weights.reshape(len(self), *self.size))


def plan_tiles(
    canvas: tuple[int, int],
    largest: tuple[int, int],
    *,
    overlap: int,
    multiple: int,
) -> Tiles:
    """Plans the fewest equal tiles that cover a canvas, evenly spaced.

    Args:
      canvas: height and width, multiples of `multiple`.
      largest: largest height and width of a tile.
      overlap: smallest overlap of neighbouring tiles; rounding may enlarge it.
      multiple: a tile's height and width are multiples of this.

    Raises:
      ValueError: the largest tile is not larger than the overlap.
    """
    rows, columns = (
        _axis(total, longest, overlap, multiple)
        for total, longest in zip(canvas, largest, strict=True)
    )
    return Tiles(canvas, (rows[0], columns[0]), rows[1], columns[1])


def _axis(
    total: int, longest: int, overlap: int, multiple: int
) -> tuple[int, tuple[int, ...]]:
    """Returns, for one axis, a tile's length and each tile's first position."""
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
    # The size was rounded up, so fewer tiles may cover the canvas.
    while count > 2 and size * (count - 1) - overlap * (count - 2) >= total:
        count -= 1
    starts = (round(i * (total - size) / (count - 1)) for i in range(count))
    return size, tuple(starts)


def _weights(total: int, size: int, starts: tuple[int, ...]) -> np.ndarray:
    """Returns (len(starts), size) float64 weights of the tiles along one axis."""
    weights = np.ones((len(starts), size))
    for i in range(1, len(starts)):
        shared = starts[i - 1] + size - starts[i]
        ramp = np.arange(1, shared + 1) / (shared + 1)
        weights[i, :shared] *= ramp
        weights[i - 1, size - shared :] *= ramp[::-1]
    # Normalise, because the ramps of more than two overlapping tiles do not sum to 1.
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
    fallback: Float[Array, "t h2 w2 z"],
) -> Float[Array, "t h2 w2 z"]:
    """Returns the canvas: the mean of the active tiles, weighted by `Tiles.weights`.

    Args:
      pieces: the latents of each tile.
      tiles: the grid of the tiles.
      active: which tiles are merged; the others are not read.
      fallback: the canvas where it is covered by inactive tiles only.
    """
    height, width = tiles.size
    weights = jnp.asarray(tiles.weights()) * active[:, None, None]
    total = jnp.zeros(tiles.canvas)
    canvas = jnp.zeros((pieces.shape[1], *tiles.canvas, pieces.shape[-1]))
    for i, (y, x) in enumerate(tiles.corners):
        area = np.s_[y : y + height, x : x + width]
        total = total.at[area].add(weights[i])
        # `where` instead of a product with 0: an inactive tile may hold NaN.
        piece = jnp.where(active[i], pieces[i] * weights[i][..., None], 0)
        canvas = canvas.at[:, *area].add(piece)
    covered = total[..., None] > 0
    return jnp.where(
        covered, canvas / jnp.where(covered, total[..., None], 1), fallback
    )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Synchronize:
    """Blends neighbouring tiles where they overlap; for `denoise(after_step=...)`."""

    active: Bool[Array, " n"]  # whether each tile is denoised, in the order of `tiles`
    order: Int[Array, " n"]  # number of the tile at each position of the batch
    tiles: Tiles = dataclasses.field(metadata={"static": True})

    def __call__(
        self, pieces: Float[Array, "n t h w z"], sigma: Float[Array, ""]
    ) -> Float[Array, "n t h w z"]:
        empty = jnp.zeros((pieces.shape[1], *self.tiles.canvas, pieces.shape[-1]))
        in_order = pieces[jnp.argsort(self.order)]
        canvas = merge_tiles(in_order, self.tiles, self.active, empty)
        return cut_tiles(canvas, self.tiles)[self.order]

"""Between a canvas of latents and its tiles."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.inpaint.tiles import Tiles
from stereojax.shapes import Array, Bool, Float, Int


def cut(canvas: Float[Array, "t h w z"], tiles: Tiles) -> Float[Array, "n t h2 w2 z"]:
    """The tiles of a canvas; of pictures too, if `tiles` counts in pixels."""
    height, width = tiles.size
    return jnp.stack(
        [canvas[:, y : y + height, x : x + width] for y, x in tiles.corners]
    )


def paste(
    pieces: Float[Array, "n t h w z"],
    tiles: Tiles,
    active: Bool[Array, " n"],
    otherwise: Float[Array, "t h2 w2 z"],
) -> Float[Array, "t h2 w2 z"]:
    """The canvas that tiles make together, each weighted by its ramps.

    Tiles that are not `active` do not count; where no other does, the canvas is
    `otherwise`.
    """
    height, width = tiles.size
    weights = jnp.asarray(tiles.weights()) * active[:, None, None]
    total = jnp.zeros(tiles.canvas)
    canvas = jnp.zeros((pieces.shape[1], *tiles.canvas, pieces.shape[-1]))
    for i, (y, x) in enumerate(tiles.corners):
        place = np.s_[y : y + height, x : x + width]
        total = total.at[place].add(weights[i])
        # Not 0 * x: what is not active may hold anything.
        piece = jnp.where(active[i], pieces[i] * weights[i][..., None], 0)
        canvas = canvas.at[:, *place].add(piece)
    covered = total[..., None] > 0
    return jnp.where(
        covered, canvas / jnp.where(covered, total[..., None], 1), otherwise
    )


def paste_published(
    pieces: Float[Array, "n t h w z"], tiles: Tiles
) -> Float[Array, "t h2 w2 z"]:
    """The canvas as StereoCrafter's code blends it: each tile onto those before it.

    The newcomer's weight is k / 16 at row or column k of the overlap, first with the
    finished tile above, then with the one to the left.
    """
    height, width = tiles.size
    canvas = jnp.zeros((pieces.shape[1], *tiles.canvas, pieces.shape[-1]))
    # Of the finished tile above all is needed, not only what the canvas keeps of it.
    above: list[Array] = []
    for i, top in enumerate(tiles.tops):
        row: list[Array] = []
        for j, left in enumerate(tiles.lefts):
            tile = pieces[i * len(tiles.lefts) + j]
            if i:
                shared = tiles.tops[i - 1] + height - top
                ramp = (jnp.arange(shared) / shared)[:, None, None]
                mixed = (1 - ramp) * above[j][:, -shared:] + ramp * tile[:, :shared]
                tile = tile.at[:, :shared].set(mixed)
            if j:
                shared = tiles.lefts[j - 1] + width - left
                ramp = (jnp.arange(shared) / shared)[:, None]
                mixed = (1 - ramp) * row[j - 1][:, :, -shared:]
                mixed += ramp * tile[:, :, :shared]
                tile = tile.at[:, :, :shared].set(mixed)
            row.append(tile)
            canvas = canvas.at[:, top : top + height, left : left + width].set(tile)
        above = row
    return canvas


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Synchronize:
    """`after_step` of `svd.denoise`: neighbours agree on what they share.

    The batch holds the tiles in the order `order`.
    """

    active: Bool[Array, " n"]  # in the tiles' own order
    order: Int[Array, " n"]
    tiles: Tiles = dataclasses.field(metadata={"static": True})

    def __call__(
        self, pieces: Float[Array, "n t h w z"], sigma: Float[Array, ""]
    ) -> Float[Array, "n t h w z"]:
        nothing = jnp.zeros((pieces.shape[1], *self.tiles.canvas, pieces.shape[-1]))
        own = pieces[jnp.argsort(self.order)]
        return cut(paste(own, self.tiles, self.active, nothing), self.tiles)[self.order]

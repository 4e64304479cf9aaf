"""Computes the background fill of listed hole pixels: the cost grows with their number.

`rows` and `smooth` are the reference implementation; the results here equal theirs
within the rounding of float32.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.inpaint.amounts import FillAmounts
from stereojax.inpaint.packed_mask import PackedMask, pack, read
from stereojax.inpaint.smooth import DAMPING, similarity
from stereojax.shapes import Array, Bool, Float, Int

# In units of `reach`. Known pixels beyond this distance have a total weight below 1e-7.
_CUTOFF = 17


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class HoleList:
    """Hole pixels of a picture, row by row; padded with copies of the last pixel."""

    packed: PackedMask
    position: Int[Array, "n"]  # row * width + column
    valid: Bool[Array, "n"]  # False for the padding
    x: Int[Array, "n"]
    y: Int[Array, "n"]
    size: tuple[int, int] = dataclasses.field(metadata={"static": True})

    def neighbor(
        self, dy: int | Int[Array, ""], dx: int
    ) -> tuple[Int[Array, "n"], Bool[Array, "n"], Bool[Array, "n"]]:
        """Returns the neighbours `dy` rows below and `dx` columns to the right.

        Returns:
          The neighbours' positions (the pixel's own position outside the picture),
          whether they are inside the picture, and whether they are in the hole.
        """
        height, width = self.size
        inside = (self.y + dy >= 0) & (self.y + dy < height)
        inside &= (self.x + dx >= 0) & (self.x + dx < width)
        position = jnp.where(inside, self.position + dy * width + dx, self.position)
        return position, inside, inside & self.packed.is_set(position)


def list_hole(packed: PackedMask, size: tuple[int, int], capacity: int) -> HoleList:
    """Lists at most `capacity` hole pixels of a packed mask of `size`."""
    position = packed.positions(capacity)
    valid = jnp.arange(capacity) < packed.count
    y = position // size[1]
    return HoleList(packed, position, valid, position - y * size[1], y, size)


def fill_list(
    picture: Float[Array, "h w 3"],
    hole: PackedMask,
    *,
    amounts: FillAmounts,
    max_pixels: int,
    max_runs: int,
) -> Float[Array, "h w 3"]:
    """Fills the hole of a picture; each row must have a known pixel.

    Args:
      hole: the hole mask, in row-major order.
      max_pixels: upper bound on the number of hole pixels.
      max_runs: upper bound on the number of runs of hole pixels in the rows.
    """
    height, width, channels = picture.shape
    colors = picture.reshape(-1, channels)
    listed = list_hole(hole, (height, width), max_pixels)
    extended, distance, from_right = extend(colors, listed, amounts.reach, max_runs)
    spread = amounts.spread + amounts.spread_growth * distance
    blended = blend(extended, listed, spread, amounts.edge, amounts.passes)
    membrane = relax(
        colors, blended, listed, from_right, edge=amounts.edge, steps=amounts.steps
    )
    filled = amounts.row_share * extended + (1 - amounts.row_share) * membrane
    # The padding gets a position outside the picture, so that its colours are dropped.
    position = jnp.where(listed.valid, listed.position, height * width)
    colors = colors.at[position].set(filled.T, mode="drop", unique_indices=True)
    return colors.reshape(picture.shape)


def extend(
    colors: Float[Array, "m c"], hole: HoleList, reach: float, max_runs: int
) -> tuple[Float[Array, "c n"], Float[Array, "n"], Bool[Array, "n"]]:
    """Extends the background like `rows.extend_rows`, with one mean for each run."""
    width = hole.size[1]
    slot = jnp.arange(len(hole.position), dtype=jnp.int32)
    last = hole.valid & ~hole.neighbor(0, 1)[2]
    runs = pack(last)
    end = runs.positions(max_runs)
    start = jnp.concatenate([jnp.zeros(1, jnp.int32), end[:-1] + 1])
    # In the padding `end` repeats, so `start` would exceed `end`. No pixel reads it.
    start = jnp.minimum(start, end)

    row = read(hole.y, end) * width
    from_right = read(hole.x, end) + 1 < width
    first = jnp.where(from_right, read(hole.x, end) + 1, read(hole.x, start) - 1)
    direction = jnp.where(from_right, 1, -1)
    decay = math.exp(-1 / reach)

    def add(i: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        total, weights = sums
        x = first + direction * i
        inside = (x >= 0) & (x < width)
        position = row + jnp.clip(x, 0, width - 1)
        known = inside & ~hole.packed.is_set(position)
        weight = known * jnp.float32(decay) ** i
        return total + weight * _colors_at(colors, position), weights + weight

    # The mean covers at most the whole row.
    taps = min(math.ceil(_CUTOFF * reach) + 1, width)
    zeros = jnp.zeros((colors.shape[1], max_runs)), jnp.zeros(max_runs)
    total, weights = lax.fori_loop(0, taps, add, zeros)
    mean = total / jnp.maximum(weights, 1)

    run = jnp.minimum(runs.rank(slot), max_runs - 1)
    from_right = read(from_right, run)
    distance = jnp.where(from_right, read(end, run) - slot, slot - read(start, run)) + 1
    return read(mean, run), distance.astype(jnp.float32), from_right


def _colors_at(
    colors: Float[Array, "m c"], position: Int[Array, "n"]
) -> Float[Array, "c n"]:
    return colors.at[position].get(mode="promise_in_bounds").T


def blend(
    extended: Float[Array, "c n"],
    hole: HoleList,
    spread: Float[Array, "n"],
    edge: float,
    passes: int,
) -> Float[Array, "c n"]:
    """Blends along the columns like `smooth.blend_columns`."""
    margin = 2 ** (passes - 1)

    def one_pass(i: Array, blended: Array) -> Array:
        distance = margin >> i
        below, above = (_slot(hole, sign * distance) for sign in (1, -1))
        similar = below[1] * similarity(extended, read(extended, below[0]), edge)
        strength = jnp.clip(spread / distance, 0, 1)
        down = strength * similar
        up = strength * above[1] * read(similar, above[0])
        total = 1 + down + up
        down, up = down / total, up / total
        return (
            blended
            + down * (read(blended, below[0]) - blended)
            + up * (read(blended, above[0]) - blended)
        )

    return lax.fori_loop(0, passes, one_pass, extended)


def _slot(hole: HoleList, dy: Array) -> tuple[Int[Array, "n"], Bool[Array, "n"]]:
    """Returns the list index of the pixel `dy` rows below, and whether it is a hole."""
    position, _, in_hole = hole.neighbor(dy, 0)
    return hole.packed.rank(position), in_hole


def relax(
    colors: Float[Array, "m c"],
    blended: Float[Array, "c n"],
    hole: HoleList,
    from_right: Bool[Array, "n"],
    *,
    edge: float,
    steps: int,
) -> Float[Array, "c n"]:
    """Runs the damped Jacobi steps of `smooth.relax` on the hole pixels."""
    total, constant = jnp.zeros(len(hole.position)), jnp.zeros_like(blended)
    neighbors = []  # (weight, list index) of the hole pixel in each direction
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        position, inside, in_hole = hole.neighbor(dy, dx)
        slot = hole.packed.rank(position)
        color = jnp.where(in_hole, read(blended, slot), _colors_at(colors, position))
        weight = similarity(blended, color, edge)
        if dx:
            background = from_right if dx > 0 else ~from_right
            weight = jnp.where(in_hole | background, 1, weight)
        weight = inside * weight
        total += weight
        # Known neighbours do not change from step to step.
        constant += jnp.where(in_hole, 0, weight) * color
        neighbors.append((jnp.where(in_hole, weight, 0), slot))
    # Scale the weights, so that those of a pixel and its neighbours sum to 1.
    scale = jnp.where(total > 0, DAMPING / jnp.where(total > 0, total, 1), 0)
    center = jnp.where(total > 0, 1 - DAMPING, 1)
    constant = scale * constant
    neighbors = [(scale * weight, slot) for weight, slot in neighbors]

    def step(_: Array, u: Array) -> Array:
        inside_hole = sum(weight * read(u, slot) for weight, slot in neighbors)
        return center * u + constant + inside_hole

    return lax.fori_loop(0, steps, step, blended)

"""Coverage-true compositing: how much of a target each source covers, nearest first.

A target sees the sources of its own row in the order of their columns, from right to
left. That order is nearest first: two sources reach one target only where their landing
places differ by less than 2 pixels, so of two that are not neighbours the right one has
the larger disparity. Of two neighbours the left one may be nearer, by less than a
pixel; these two then land more than a pixel apart, together cover one target at most
once, and their order has no effect.

So the composite needs no depth threshold, and is a continuous function of disparity.
"""

from typing import NamedTuple

import jax.numpy as jnp

from stereojax.shapes import Array, Bool, Float, Int
from stereojax.splat.row_contract import NOWHERE, bilinear_taps

# Two neighbours of one row that land 1 + gap pixels apart leave a gap. It is closed
# where it continues the slope of a surface, and not where it is the edge of one:
ROUGHNESS = 0.125  # pixels; smaller gaps are noise or rounding of the depth
CURVATURE = 2.0  # larger gaps are closed up to this multiple of a gap next to them
TOOTH = 4.0  # and of a rise next to them: estimated depth has teeth behind an edge
WIDEST = 15 / 16  # pixels; the two taps of a source end one pixel from it


class Taps(NamedTuple):
    """The coverage, in [0, 1], that each source adds to its two targets."""

    whole: Float[Array, "n w"]  # floor of the disparity; NOWHERE lands nowhere
    right: Float[Array, "n w"]  # of the target `whole` columns to the left
    left: Float[Array, "n w"]  # of the target `whole + 1` columns to the left

    def targets(
        self,
    ) -> list[tuple[Int[Array, "n w"], Float[Array, "n w"], Bool[Array, "n w"]]]:
        """Returns (target column, coverage, whether it counts) for both taps."""
        width = self.whole.shape[-1]
        first = jnp.arange(width) - self.whole.astype(jnp.int32)
        return [
            (target, share, (target >= 0) & (target < width) & (share > 0))
            for target, share in ((first, self.right), (first - 1, self.left))
        ]


def coverage_taps(d: Float[Array, "n w"]) -> Taps:
    """Returns the bilinear weights, enlarged where a stretched surface leaves gaps.

    Between two sources that land 1 + gap pixels apart, the weights of a target add up
    to 1 - gap or more. Divided by 1 - gap they cover every target between the two.
    """
    gap = jnp.pad(closed_gaps(d), ((0, 0), (1, 1)))
    (_, right, _), (_, left, _) = bilinear_taps(d)
    right = jnp.minimum(right / (1 - gap[:, 1:]), 1)  # towards the right neighbour
    left = jnp.minimum(left / (1 - gap[:, :-1]), 1)
    return Taps(jnp.floor(d), right, left)


def closed_gaps(d: Float[Array, "n w"]) -> Float[Array, "n v"]:
    """Returns the gap, in pixels, that is closed between each source and the next.

    It grows with the gap up to WIDEST, then falls to 0 at a gap of 2 pixels, so that
    no edge's coverage jumps while its disparity drifts.
    """
    stretch = d[:, :-1] - d[:, 1:]
    both_land = (d[:, :-1] < NOWHERE) & (d[:, 1:] < NOWHERE)
    gap = jnp.where(both_land, jnp.clip(jnp.minimum(stretch, 2 - stretch), 0), 0)
    neighbors = jnp.pad(gap, ((0, 0), (1, 1)))
    slope = jnp.maximum(neighbors[:, :-2], neighbors[:, 2:])
    # A tooth: the disparity rises slowly, falls at once, and rises slowly again. A rise
    # as large as the gap is the other edge of a thin object instead.
    rise = jnp.pad(jnp.where(both_land, jnp.clip(-stretch, 0), 0), ((0, 0), (1, 1)))
    rises = rise[:, :-2], rise[:, 2:]
    slow = [x * jnp.clip(4 * (1 - x / jnp.maximum(gap, 1e-6)), 0, 1) for x in rises]
    limit = ROUGHNESS + jnp.maximum(CURVATURE * slope, TOOTH * jnp.maximum(*slow))
    return jnp.minimum(gap, jnp.minimum(limit, WIDEST))

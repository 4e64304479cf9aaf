"""A stand-in for depth where no model is at hand: three rules of thumb, no learning.

1. What is lower in the picture is nearer: people film while standing on the ground.
2. What stands there is as far as its foot: going up, depth changes only at edges.
3. What can be reached from the picture's top without crossing an edge lies behind: sky,
   or a wall behind somebody. So does what has its colours.

This is not depth estimation. Where the rules do not hold (a ceiling, a bird's eye view,
a face that fills the frame) the result is wrong, and nothing says so.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.depth.guided import box_mean, guided_filter, mean_pool
from stereojax.shapes import Array, Bool, Float, Int, Shaped

WIDEST = 512  # pixels; larger pictures are reduced by a whole factor
NOISE = 0.008  # steps between neighbours that are no edge, of colours in [0, 1]
EDGE = 0.08  # a step of this size divides the chance to be the background by e
FOOT_EDGE = 0.03  # a step of this size loses the foot to 1 - 1 / e
FOOT_REACH = 0.985  # of the foot's depth is kept a row, over what has no edges
BINS = 8  # of the colour model, along red, green and blue


class DepthPrior:
    """The rules as a depth estimator: relative inverse depth in about [0, 1]."""

    name = "prior"
    licence = "Apache-2.0"
    per_frame = True  # the estimate of a slice is the slice of the estimate
    per_frame_scale = False

    def estimate(
        self, frames: Iterator[Shaped[np.ndarray, "h w 3"]]
    ) -> Iterator[Float[np.ndarray, "hd wd"]]:
        """Of uint8 or uint16 RGB frames; at most 512 wide, larger = nearer."""
        for frame in frames:
            yield np.asarray(depth_prior(frame))


@jax.jit
def depth_prior(frame: Shaped[Array | np.ndarray, "h w 3"]) -> Float[Array, "hd wd"]:
    """The prior of one RGB frame of any unsigned integer type."""
    picture = jnp.asarray(frame).astype(jnp.float32) / jnp.iinfo(frame.dtype).max
    picture = mean_pool(picture, -(-picture.shape[1] // WIDEST))
    height, width, _ = picture.shape
    calm = box_mean(box_mean(picture, 1), 1)
    lower = jnp.broadcast_to(
        ((jnp.arange(height) + 0.5) / height)[:, None], (height, width)
    )
    rules = jnp.stack([_foot(calm, lower), _background(picture, calm, lower)], -1)
    rules = guided_filter(picture, rules, radius=width // 16, epsilon=1e-3)
    foot, behind = rules[..., 0], jnp.clip(rules[..., 1], 0, 1)
    front = 0.25 + 0.375 * (lower + foot)
    return front * (1 - behind) + 0.15 * lower * behind


def _foot(
    picture: Float[Array, "h w 3"], lower: Float[Array, "h w"]
) -> Float[Array, "h w"]:
    """Rule 2: upwards, depth follows the row below except for a share at edges."""
    keep = FOOT_REACH * jnp.exp(-_step(picture, axis=0) / FOOT_EDGE)

    def up(below: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        keep, lower = row
        depth = lower + keep * (below - lower)
        return depth, depth

    _, rest = jax.lax.scan(up, lower[-1], (keep, lower[:-1]), reverse=True)
    return jnp.concatenate([rest, lower[-1:]])


def _background(
    picture: Float[Array, "h w 3"],
    calm: Float[Array, "h w 3"],
    lower: Float[Array, "h w"],
) -> Float[Array, "h w"]:
    """Rule 3: 1 = certainly behind."""
    width = picture.shape[1]
    # Black bars above the picture cost nothing: it begins at the first row with light,
    # and the way a little below, where the bar is not blurred in.
    light = jnp.cumsum(picture.max((1, 2))) / 0.05
    from_top = jnp.minimum(jnp.pad(light, (5, 0))[: len(light)], 50.0)
    # In the middle of the top edge there may be a head.
    across = jnp.abs(jnp.linspace(-1, 1, width))
    middle = 1.5 * jnp.clip(1 - across / 0.6, 0, 1)
    cost = from_top[:, None] + middle
    down, right = (
        jnp.maximum(_step(calm, axis=a) - NOISE, 0) / EDGE + 0.3 / width for a in (0, 1)
    )

    def around(_: Int[Array, ""], cost: Float[Array, "h w"]) -> Float[Array, "h w"]:
        for axis, steps in ((0, down), (1, right)):
            for reverse in (False, True):
                cost = _sweep(cost, steps, axis, reverse)
        return cost

    reached = jnp.exp(-jax.lax.fori_loop(0, 2, around, cost))
    # The same colour elsewhere, less so the lower it is: it may be a thing of its own.
    alike = _share_by_color(calm, reached, light > 1) * (1 - 0.6 * lower)
    return jnp.maximum(reached, alike)


def _step(picture: Float[Array, "h w 3"], axis: int) -> Float[Array, "h2 w2"]:
    """The largest change of a colour between neighbours."""
    return jnp.abs(jnp.diff(picture, axis=axis)).max(-1)


def _sweep(
    cost: Float[Array, "h w"], steps: Float[Array, "h2 w2"], axis: int, reverse: bool
) -> Float[Array, "h w"]:
    """The cheapest way to each pixel from any before it on its line."""
    padding = [(0, 0), (0, 0)]
    padding[axis] = (1, 0)
    way = jnp.pad(jnp.cumsum(steps, axis=axis), padding) * (-1 if reverse else 1)
    return jax.lax.cummin(cost - way, axis=axis, reverse=reverse) + way


def _share_by_color(
    picture: Float[Array, "h w 3"], weight: Float[Array, "h w"], rows: Bool[Array, "h"]
) -> Float[Array, "h w"]:
    """Root of the mean weight that each pixel's colour has in the given rows."""
    sample, weights = picture[::4, ::4].reshape(-1, 3), weight[::4, ::4].reshape(-1)
    counts = jnp.broadcast_to(rows[:, None], weight.shape)[::4, ::4].reshape(-1)
    # Products of hat functions: no scatter, whose sums would not repeat on a GPU.
    hats = jnp.maximum(
        1 - jnp.abs(sample[..., None] * (BINS - 1) - jnp.arange(BINS)), 0
    )
    two = (hats[:, 0, :, None] * hats[:, 1, None, :]).reshape(len(sample), -1)
    counted = jnp.stack([weights * counts, counts])[..., None] * hats[:, 2]
    sums = jnp.einsum("pa,kpb->kab", two, counted, precision="highest") / len(sample)
    # Of a colour that is hardly there nothing is known.
    share = jnp.sqrt(sums[0] / (sums[1] + 0.003)).reshape(BINS, BINS, BINS)
    place = jnp.clip(picture, 0, 1) * (BINS - 1)
    first = jnp.minimum(jnp.floor(place), BINS - 2).astype(jnp.int32)
    part = place - first
    total = jnp.zeros(weight.shape)
    for corner in np.ndindex(2, 2, 2):
        near = jnp.where(np.array(corner) == 1, part, 1 - part).prod(-1)
        index = first + np.array(corner)
        total += near * share[index[..., 0], index[..., 1], index[..., 2]]
    return total

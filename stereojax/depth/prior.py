"""A substitute for a depth model: three rules of thumb, no weights.

1. Lower pixels are nearer: people film while standing on the ground.
2. An object is as far away as its foot: from the bottom up, depth changes only at
   edges.
3. Pixels that are connected to the picture's top without an edge in between are
   background: sky, or a wall behind a person. So are pixels of the same colours.

This is not depth estimation. Where the rules do not hold (a ceiling, a bird's eye view,
a face that fills the frame) the result is wrong, without a warning.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.depth.guided import box_mean, guided_filter, mean_pool
from stereojax.ops.integers import as_float
from stereojax.shapes import Array, Bool, Float, Int, Shaped

WIDEST = 512  # pixels; larger pictures are reduced by a whole factor
NOISE = 0.008  # colour steps up to this size are not edges; colours are in [0, 1]
EDGE = 0.08  # a colour step of this size divides the background's weight by e
FOOT_EDGE = 0.03  # a colour step of this size divides the foot's weight by e
FOOT_REACH = 0.985  # weight of the foot's depth that remains per row without edges
BINS = 8  # bins of the colour model along each of red, green and blue


class DepthPrior:
    """The rules as a depth estimator: relative inverse depth in about [0, 1]."""

    name = "prior"
    licence = "Apache-2.0"
    per_frame = True
    per_frame_scale = False

    def estimate(
        self, frames: Iterator[Shaped[np.ndarray, "h w 3"]]
    ) -> Iterator[Float[np.ndarray, "hd wd"]]:
        """Yields the depth of uint8 or uint16 RGB frames, at most 512 pixels wide."""
        for frame in frames:
            yield np.asarray(depth_prior(frame))


@jax.jit
def depth_prior(frame: Shaped[Array | np.ndarray, "h w 3"]) -> Float[Array, "hd wd"]:
    """Returns the depth of one RGB frame of any unsigned integer type."""
    picture = mean_pool(as_float(frame), -(-frame.shape[1] // WIDEST))
    height, width, _ = picture.shape
    smooth = box_mean(box_mean(picture, 1), 1)
    lowness = jnp.broadcast_to(
        ((jnp.arange(height) + 0.5) / height)[:, None], (height, width)
    )
    foot, background = _foot(smooth, lowness), _background(picture, smooth, lowness)
    # The filter aligns both to the edges of the picture.
    filtered = guided_filter(
        picture, jnp.stack([foot, background], -1), radius=width // 16, epsilon=1e-3
    )
    foot, background = filtered[..., 0], jnp.clip(filtered[..., 1], 0, 1)
    foreground_depth = 0.25 + 0.375 * (lowness + foot)
    return foreground_depth * (1 - background) + 0.15 * lowness * background


def _foot(
    picture: Float[Array, "h w 3"], lowness: Float[Array, "h w"]
) -> Float[Array, "h w"]:
    """Applies rule 2: each row takes over the depth of the row below, less at edges."""
    weight = FOOT_REACH * jnp.exp(-_step(picture, axis=0) / FOOT_EDGE)

    def up(below: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        weight, lowness = row
        depth = lowness + weight * (below - lowness)
        return depth, depth

    _, rows = jax.lax.scan(up, lowness[-1], (weight, lowness[:-1]), reverse=True)
    return jnp.concatenate([rows, lowness[-1:]])


def _background(
    picture: Float[Array, "h w 3"],
    smooth: Float[Array, "h w 3"],
    lowness: Float[Array, "h w"],
) -> Float[Array, "h w"]:
    """Applies rule 3: the weight of being background, in [0, 1].

    The weight is exp(-cost) of the cheapest path from the top of the picture, whose
    cost is the sum of the colour steps.
    """
    width = picture.shape[1]
    # Black bars above the picture cost nothing: the picture begins at the first row
    # with light, and paths begin a few rows below it, where the bar is not blurred in.
    light = jnp.cumsum(picture.max((1, 2))) / 0.05
    from_top = jnp.minimum(jnp.pad(light, (5, 0))[: len(light)], 50.0)
    # A head may touch the middle of the top edge.
    across = jnp.abs(jnp.linspace(-1, 1, width))
    middle = 1.5 * jnp.clip(1 - across / 0.6, 0, 1)
    cost = from_top[:, None] + middle
    down, right = (
        jnp.maximum(_step(smooth, axis=axis) - NOISE, 0) / EDGE + 0.3 / width
        for axis in (0, 1)
    )

    # Sweeps in all four directions, twice, approximate the cheapest paths.
    def sweeps(_: Int[Array, ""], cost: Float[Array, "h w"]) -> Float[Array, "h w"]:
        for axis, steps in ((0, down), (1, right)):
            for reverse in (False, True):
                cost = _sweep(cost, steps, axis, reverse)
        return cost

    connected = jnp.exp(-jax.lax.fori_loop(0, 2, sweeps, cost))
    # Pixels of the same colours elsewhere; low pixels may be other objects.
    same_color = _weight_by_color(smooth, connected, light > 1) * (1 - 0.6 * lowness)
    return jnp.maximum(connected, same_color)


def _step(picture: Float[Array, "h w 3"], axis: int) -> Float[Array, "h2 w2"]:
    """Returns the largest change of a colour channel between neighbours."""
    return jnp.abs(jnp.diff(picture, axis=axis)).max(-1)


def _sweep(
    cost: Float[Array, "h w"], steps: Float[Array, "h2 w2"], axis: int, reverse: bool
) -> Float[Array, "h w"]:
    """Returns the least cost of each pixel along one axis, in one direction."""
    padding = [(0, 0), (0, 0)]
    padding[axis] = (1, 0)
    path = jnp.pad(jnp.cumsum(steps, axis=axis), padding) * (-1 if reverse else 1)
    return jax.lax.cummin(cost - path, axis=axis, reverse=reverse) + path


def _weight_by_color(
    picture: Float[Array, "h w 3"], weight: Float[Array, "h w"], rows: Bool[Array, "h"]
) -> Float[Array, "h w"]:
    """Returns the root of the mean `weight` of each pixel's colour, within `rows`.

    The mean is taken over a colour histogram with linear interpolation between bins.
    """
    sample, weights = picture[::4, ::4].reshape(-1, 3), weight[::4, ::4].reshape(-1)
    counts = jnp.broadcast_to(rows[:, None], weight.shape)[::4, ::4].reshape(-1)
    # Products of hat functions instead of a scatter, whose sums are not reproducible
    # on a GPU.
    hats = jnp.maximum(
        1 - jnp.abs(sample[..., None] * (BINS - 1) - jnp.arange(BINS)), 0
    )
    red_green = (hats[:, 0, :, None] * hats[:, 1, None, :]).reshape(len(sample), -1)
    blue = jnp.stack([weights * counts, counts])[..., None] * hats[:, 2]
    sums = jnp.einsum("pa,kpb->kab", red_green, blue, precision="highest")
    sums /= len(sample)
    # The constant reduces the weight of colours with few samples.
    mean = jnp.sqrt(sums[0] / (sums[1] + 0.003)).reshape(BINS, BINS, BINS)
    # Trilinear interpolation at each pixel's colour.
    position = jnp.clip(picture, 0, 1) * (BINS - 1)
    first = jnp.minimum(jnp.floor(position), BINS - 2).astype(jnp.int32)
    fraction = position - first
    total = jnp.zeros(weight.shape)
    for corner in np.ndindex(2, 2, 2):
        share = jnp.where(np.array(corner) == 1, fraction, 1 - fraction).prod(-1)
        index = first + np.array(corner)
        total += share * mean[index[..., 0], index[..., 1], index[..., 2]]
    return total

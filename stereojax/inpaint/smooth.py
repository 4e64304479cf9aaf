"""Smoothing inside a hole: along the columns, then as a membrane."""

import jax.numpy as jnp
from jax import lax

from stereojax.inpaint.shift import neighbor
from stereojax.shapes import Array, Bool, Float


def blend_columns(
    extended: Float[Array, "c h w"],
    hole: Bool[Array, "h w"],
    width: Float[Array, "h w"],
    *,
    edge: float,
    passes: int,
) -> Float[Array, "c h w"]:
    """Blends the rows of an extension, the more the wider `width` says, in pixels.

    Streaks of texture melt; rows that differ by much more than `edge` (Euclidean, over
    the channels) stay apart, so that a horizontal edge runs on into the hole. Passes at
    distances 2 ** (passes - 1), .., 4, 2, 1 make a wide kernel of few taps ("a trous").
    """
    height = hole.shape[0]
    margin = 2 ** (passes - 1)

    def padded(x: Array) -> Array:
        return jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(margin, margin), (0, 0)])

    def below(x: Array, distance: Array) -> Array:
        return lax.dynamic_slice_in_dim(x, margin + distance, height, x.ndim - 2)

    guide, weight = padded(extended), hole.astype(extended.dtype)
    weights = padded(weight)

    def blend(i: Array, blended: Array) -> Array:
        distance = margin >> i
        apart = (extended - below(guide, distance)) ** 2
        # A loop and not `.sum(axis=0)`, which is ten times slower on a CPU.
        apart = sum(apart[channel] for channel in range(len(apart)))
        # How much a pixel has to do with the one `distance` below it.
        link = jnp.exp(apart / (-2 * edge**2)) * weight * below(weights, distance)
        share = jnp.clip(width / distance, 0, 1)
        down = share * link
        up = share * below(padded(link), -distance)
        total = 1 + down + up
        down, up = down / total, up / total
        others = padded(blended)
        return (
            blended
            + down * (below(others, distance) - blended)
            + up * (below(others, -distance) - blended)
        )

    # A loop with a moving distance compiles and runs faster than unrolled passes.
    return lax.fori_loop(0, passes, blend, extended)


def relax(
    colors: Float[Array, "c h w"],
    hole: Bool[Array, "h w"],
    *,
    left: Float[Array, "h w"],
    vertical: float,
    steps: int,
) -> Float[Array, "c h w"]:
    """Damped Jacobi steps of Laplace's equation in the hole; the rest stays as it is.

    Inside the hole each pixel is tied to its four neighbours alike. Of its ties to the
    known pixels around the hole the one to the right has weight 1, the one to the left
    `left`, and those above and below `vertical`: they may be of the nearer surface.
    """
    ties = []
    for dy, dx, to_known in (
        (0, 1, 1.0),
        (0, -1, left),
        (1, 0, vertical),
        (-1, 0, vertical),
    ):
        inside = neighbor(jnp.ones(hole.shape, colors.dtype), dy, dx)
        to_hole = neighbor(hole, dy, dx, outside=False)
        ties.append(hole * inside * jnp.where(to_hole, 1.0, to_known))
    total = sum(ties)
    damping = 0.8  # undamped steps never lose a checkerboard
    right, left, below, above = (
        damping * tie / jnp.where(total > 0, total, 1) for tie in ties
    )
    own = jnp.where(total > 0, 1 - damping, 1.0)

    def step(_, u):
        return (
            own * u
            + right * neighbor(u, 0, 1)
            + left * neighbor(u, 0, -1)
            + below * neighbor(u, 1, 0)
            + above * neighbor(u, -1, 0)
        )

    return lax.fori_loop(0, steps, step, colors)

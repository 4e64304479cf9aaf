"""Smooths inside a hole: along the columns, then as a membrane."""

import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Bool, Float, Shaped

DAMPING = 0.8  # of the Jacobi steps: undamped ones never lose a checkerboard


def blend_columns(
    extended: Float[Array, "c h w"],
    hole: Bool[Array, "h w"],
    width: Float[Array, "h w"],
    *,
    edge: float,
    passes: int,
) -> Float[Array, "c h w"]:
    """Blends the rows of an extension over `width` pixels.

    Streaks of texture disappear; rows that differ by much more than `edge` (Euclidean,
    over the channels) are not mixed, so a horizontal edge continues into the hole.
    Passes at distances 2 ** (passes - 1), .., 4, 2, 1 make a wide kernel of few taps
    ("a trous").
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
        # Likeness of a pixel and the one `distance` rows below it.
        link = likeness(extended, below(guide, distance), edge)
        link = link * weight * below(weights, distance)
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

    # A loop over the distance compiles and runs faster than unrolled passes.
    return lax.fori_loop(0, passes, blend, extended)


def relax(
    colors: Float[Array, "c h w"],
    hole: Bool[Array, "h w"],
    from_right: Bool[Array, "h w"],
    *,
    edge: float,
    steps: int,
) -> Float[Array, "c h w"]:
    """Runs damped Jacobi steps of Laplace's equation in the hole.

    A hole pixel is tied fully to its neighbours in the row and to the known pixel that
    its row was extended from. Other ties weaken with the difference of `colors`, on
    the scale of `edge`: known pixels to the left, above and below count only as far as
    they look like the hole's background.
    """

    def tie(dy: int, dx: int) -> Float[Array, "h w"]:
        inside = neighbor(jnp.ones(hole.shape, colors.dtype), dy, dx)
        alike = likeness(colors, neighbor(colors, dy, dx), edge)
        if dx:
            in_hole = neighbor(hole, dy, dx, outside=False)
            background = from_right if dx > 0 else ~from_right
            alike = jnp.where(in_hole | background, 1, alike)
        return hole * inside * alike

    right, left, below, above = tie(0, 1), tie(0, -1), tie(1, 0), tie(-1, 0)
    total = right + left + below + above
    share = jnp.where(total > 0, DAMPING / jnp.where(total > 0, total, 1), 0)
    right, left, below, above = (
        share * right,
        share * left,
        share * below,
        share * above,
    )
    own = jnp.where(total > 0, 1 - DAMPING, 1)

    def step(_: Array, u: Array) -> Array:
        return (
            own * u
            + right * neighbor(u, 0, 1)
            + left * neighbor(u, 0, -1)
            + below * neighbor(u, 1, 0)
            + above * neighbor(u, -1, 0)
        )

    return lax.fori_loop(0, steps, step, colors)


def likeness(
    a: Float[Array, "c *s"], b: Float[Array, "c *s"], edge: float
) -> Float[Array, "*s"]:
    """Returns 1 for equal colours, falling with their distance: 0.6 at `edge`."""
    square = (a - b) ** 2
    # A loop and not `.sum(axis=0)`, which is ten times slower on a CPU.
    return jnp.exp(sum(square[i] for i in range(len(square))) / (-2 * edge**2))


def neighbor(
    x: Shaped[Array, "*b h w"], dy: int, dx: int, outside: float | int | bool = 0
) -> Shaped[Array, "*b h w"]:
    """Returns each pixel's neighbour `dy` rows below and `dx` columns to the right.

    Neighbours beyond the frame have the value `outside`.
    """
    height, width = x.shape[-2:]
    rows = (max(-dy, 0), max(dy, 0))
    columns = (max(-dx, 0), max(dx, 0))
    rim = [(0, 0)] * (x.ndim - 2) + [rows, columns]
    x = jnp.pad(x, rim, constant_values=outside)
    top, left = max(dy, 0), max(dx, 0)
    return x[..., top : top + height, left : left + width]

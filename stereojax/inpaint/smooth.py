"""Smooths the fill of a hole: blends along the columns, then Laplace's equation."""

import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Bool, Float, Shaped

DAMPING = 0.8  # of a Jacobi step; at 1, a checkerboard pattern would never decay


def blend_columns(
    extended: Float[Array, "c h w"],
    hole: Bool[Array, "h w"],
    spread: Float[Array, "h w"],
    *,
    edge: float,
    passes: int,
) -> Float[Array, "c h w"]:
    """Blends hole pixels along the columns, over `spread` pixels.

    Removes the streaks of a row-wise extension. Rows whose colours differ by much more
    than `edge` (Euclidean, over the channels) are not mixed, so a horizontal edge
    continues into the hole. The passes are a dilated ("a trous") filter at distances
    2 ** (passes - 1), .., 4, 2, 1.
    """
    height = hole.shape[0]
    margin = 2 ** (passes - 1)

    def padded(x: Array) -> Array:
        return jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(margin, margin), (0, 0)])

    def below(x: Array, distance: Array) -> Array:
        return lax.dynamic_slice_in_dim(x, margin + distance, height, x.ndim - 2)

    guide, mask = padded(extended), hole.astype(extended.dtype)
    padded_mask = padded(mask)

    def blend(i: Array, blended: Array) -> Array:
        distance = margin >> i
        # Similarity of each pixel to the pixel `distance` rows below.
        similar = similarity(extended, below(guide, distance), edge)
        similar = similar * mask * below(padded_mask, distance)
        strength = jnp.clip(spread / distance, 0, 1)
        down = strength * similar
        up = strength * below(padded(similar), -distance)
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
    """Runs damped Jacobi steps of Laplace's equation, weighted by colour similarity.

    A neighbour's weight is its similarity to the pixel in `colors`, so known pixels of
    a surface other than the background have little effect. Hole pixels in the same row
    have the weight 1, and so has the known pixel from which the row was extended: the
    right neighbour where `from_right`, else the left one.
    """

    def weight(dy: int, dx: int) -> Float[Array, "h w"]:
        inside = neighbor(jnp.ones(hole.shape, colors.dtype), dy, dx)
        similar = similarity(colors, neighbor(colors, dy, dx), edge)
        if dx:
            in_hole = neighbor(hole, dy, dx, outside=False)
            background = from_right if dx > 0 else ~from_right
            similar = jnp.where(in_hole | background, 1, similar)
        return hole * inside * similar

    right, left, below, above = (
        weight(dy, dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))
    )
    # Scale the weights, so that those of a pixel and its neighbours sum to 1.
    total = right + left + below + above
    scale = jnp.where(total > 0, DAMPING / jnp.where(total > 0, total, 1), 0)
    right, left, below, above = (scale * w for w in (right, left, below, above))
    center = jnp.where(total > 0, 1 - DAMPING, 1)

    def step(_: Array, u: Array) -> Array:
        return (
            center * u
            + right * neighbor(u, 0, 1)
            + left * neighbor(u, 0, -1)
            + below * neighbor(u, 1, 0)
            + above * neighbor(u, -1, 0)
        )

    return lax.fori_loop(0, steps, step, colors)


def similarity(
    a: Float[Array, "c *s"], b: Float[Array, "c *s"], edge: float
) -> Float[Array, "*s"]:
    """Returns exp(-distance ** 2 / (2 * edge ** 2)) of two colours: 1 if equal."""
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

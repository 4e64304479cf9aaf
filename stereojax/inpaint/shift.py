"""Neighbours in a picture."""

import jax.numpy as jnp

from stereojax.shapes import Array, Shaped


def neighbor(
    x: Shaped[Array, "*b h w"], dy: int, dx: int, outside: float | int | bool = 0
) -> Shaped[Array, "*b h w"]:
    """What lies `dy` rows below and `dx` columns to the right of each pixel.

    `outside` stands for what lies beyond the frame.
    """
    height, width = x.shape[-2:]
    rows = (max(-dy, 0), max(dy, 0))
    columns = (max(-dx, 0), max(dx, 0))
    rim = [(0, 0)] * (x.ndim - 2) + [rows, columns]
    x = jnp.pad(x, rim, constant_values=outside)
    top, left = max(dy, 0), max(dx, 0)
    return x[..., top : top + height, left : left + width]

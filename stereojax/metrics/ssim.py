"""Structural similarity (Wang et al., IEEE TIP 2004)."""

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Bool, Float

SIGMA, RADIUS = 1.5, 5  # pixels, of the Gaussian window, which is 11 pixels wide
C1, C2 = 0.01**2, 0.03**2  # stabilising constants for pictures in [0, 1]


def ssim_map(
    picture: Float[Array, "*b h w c"], truth: Float[Array, "*b h w c"]
) -> Float[Array, "*b h w"]:
    """Returns the similarity around each pixel, as the mean over the channels.

    Borders are mirrored.
    """
    x, y = (p.astype(jnp.float32) for p in (picture, truth))
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    similar = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    similar /= (mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2)
    return similar.mean(-1)


def ssim(
    picture: Float[Array, "t h w c"],
    truth: Float[Array, "t h w c"],
    where: Bool[Array, "t h w"] | None = None,
) -> Float[Array, ""]:
    """Returns the mean of `ssim_map` over the mask; NaN for an empty mask."""
    similar = ssim_map(picture, truth)
    return similar.mean() if where is None else (similar * where).sum() / where.sum()


def _blur(x: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    offset = np.arange(-RADIUS, RADIUS + 1)
    weight = np.exp(-(offset**2) / (2 * SIGMA**2))
    weight = (weight / weight.sum()).astype(np.float32)
    for axis in (-3, -2):
        rim = [(0, 0)] * x.ndim
        rim[axis] = (RADIUS, RADIUS)
        padded = jnp.pad(x, rim, mode="symmetric")
        size = x.shape[axis]
        x = sum(
            w * jax.lax.slice_in_dim(padded, i, i + size, axis=x.ndim + axis)
            for i, w in enumerate(weight)
        )
    return x

"""Ghost energy: edges in and around the hole that the true view does not have."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from stereojax.shapes import Array, Float, Shaped

RING = 3  # pixels around the hole that are scored too
TOLERANCE = 1  # pixels by which an edge may be misplaced and still be the truth's own


def ghost_energy(
    picture: Float[Array | np.ndarray, "*b t h w c"],
    truth: Float[Array | np.ndarray, "*b t h w c"],
    hole: Shaped[Array | np.ndarray, "*b t h w"],  # weights in [0, 1], or bool
    *,
    ring: int = RING,
    tolerance: int = TOLERANCE,
) -> Float[Array, "*b"]:
    """Returns the mean gradient that a picture has in the hole and its ring in excess.

    A ghost is a contour that the true view does not have: a second outline beside an
    object, a smeared rim, a streak that ends abruptly. It changes PSNR little,
    because a thin line has a small squared error, but a viewer sees it first. So the
    gradient magnitude of the picture is compared with the truth's, and only the excess
    is counted. Blur has no excess; PSNR and SSIM measure it.

    At each pixel the excess is max(0, g(picture) - max(g(truth))), where g is the
    gradient magnitude and the second maximum runs over the (2 * tolerance + 1)^2 pixels
    around, so that an edge displaced by `tolerance` pixels is not a ghost. The result
    is the mean of the excess over all frames, weighted by the hole that is dilated by
    `ring` pixels: mixed pixels lie just outside the hole.

    Args:
      picture: the filled view, in [0, 1].
      truth: the true view, in [0, 1].
      hole: pixels that the left camera did not see.
      ring: width of the ring around the hole, in pixels.
      tolerance: displacement of an edge that is not counted, in pixels.

    Returns:
      Intensity per pixel step: 0.01 is an excess of 1 % of the full range between
      neighbouring pixels, on average. 0 where there are no ghosts; NaN where there is
      no hole.
    """
    true_gradient = dilate(gradient_magnitude(truth), tolerance)
    excess = jnp.maximum(gradient_magnitude(picture) - true_gradient, 0)
    weight = dilate(jnp.asarray(hole, jnp.float32), ring)
    axes = (-3, -2, -1)
    return (excess * weight).sum(axes) / weight.sum(axes)


def gradient_magnitude(
    picture: Float[Array | np.ndarray, "*b h w c"],
) -> Float[Array, "*b h w"]:
    """Returns the gradient's length, as the root mean square over the channels.

    Forward differences, 0 at the last row and column: a line of one pixel has a
    gradient on both sides, which central differences would halve and displace.
    """
    picture = jnp.asarray(picture, jnp.float32)
    square = 0.0
    for axis in (-2, -3):
        last = lax.slice_in_dim(picture, -1, None, axis=picture.ndim + axis)
        step = jnp.diff(picture, axis=axis, append=last)
        square += jnp.square(step).mean(-1)
    # The gradient of the root is infinite at 0.
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def dilate(picture: Float[Array, "*b h w"], radius: int) -> Float[Array, "*b h w"]:
    """Returns the maximum over the square of (2 * radius + 1)^2 pixels around each."""
    size = 2 * radius + 1
    window = (1,) * (picture.ndim - 2) + (size, size)
    return lax.reduce_window(
        picture, -jnp.inf, lax.max, window, (1,) * picture.ndim, "SAME"
    )

"""Flicker: changes from frame to frame in the hole that the true view does not have."""

import jax.numpy as jnp
import numpy as np

from stereojax.metrics.ghost_energy import dilate
from stereojax.shapes import Array, Float, Shaped

TOLERANCE = 1  # pixels within which the truth's own change excuses a change


def flicker(
    picture: Float[Array | np.ndarray, "*b t h w c"],
    truth: Float[Array | np.ndarray, "*b t h w c"],
    hole: Shaped[Array | np.ndarray, "*b t h w"],  # weights in [0, 1], or bool
    *,
    tolerance: int = TOLERANCE,
) -> Float[Array, "*b"]:
    """Returns the mean frame-to-frame change in the hole, in excess of the truth's.

    The change of a pixel is the mean absolute difference of its channels between two
    consecutive frames. The truth's change is subtracted, as the maximum over the
    (2 * tolerance + 1)^2 pixels around, and negative differences count as 0. So over
    static background the result is the plain change of the fill; over moving
    background a fill that moves with it, and a blurred fill that lacks the texture to
    change, are not punished. No optical flow is needed. The alternative, a restriction
    to pixels whose truth is static, leaves hardly a pixel under a hand-held camera.

    A pixel counts by the smaller of its weights in the two frames: what one of them
    shows from the left view is not flicker of the fill.

    Args:
      picture: consecutive filled views of one shot, in [0, 1].
      truth: the true views, in [0, 1].
      hole: pixels that the left camera did not see.
      tolerance: displacement of a change that is not counted, in pixels.

    Returns:
      Intensity: 0.01 is 1 % of the full range. NaN for one frame, or without a pixel
      that lies in the holes of two consecutive frames.
    """
    excess = jnp.maximum(_change(picture) - dilate(_change(truth), tolerance), 0)
    hole = jnp.asarray(hole, jnp.float32)
    weight = jnp.minimum(hole[..., 1:, :, :], hole[..., :-1, :, :])
    axes = (-3, -2, -1)
    return (excess * weight).sum(axes) / weight.sum(axes)


def _change(
    film: Float[Array | np.ndarray, "*b t h w c"],
) -> Float[Array, "*b t-1 h w"]:
    return jnp.abs(jnp.diff(jnp.asarray(film, jnp.float32), axis=-4)).mean(-1)

"""Flicker: frame-to-frame change of the fill that the ground truth does not have."""

import jax.numpy as jnp
import numpy as np

from stereojax.metrics.ghost_energy import dilate
from stereojax.shapes import Array, Float, Shaped

TOLERANCE = 1  # pixels; a change of the truth this near is subtracted


def flicker(
    picture: Float[Array | np.ndarray, "*b t h w c"],
    truth: Float[Array | np.ndarray, "*b t h w c"],
    hole: Shaped[Array | np.ndarray, "*b t h w"],  # weights in [0, 1], or bool
    *,
    tolerance: int = TOLERANCE,
) -> Float[Array, "*b"]:
    """Returns the mean frame-to-frame change in the hole, in excess of the truth's.

    The change of a pixel is the mean absolute difference of its channels between two
    consecutive frames. The excess is the change of `picture` minus the largest change
    of `truth` within `tolerance` pixels, or 0 if that is negative.

    Over static background, the excess is the change of the fill. Over moving
    background, it is 0 for a fill that moves with the background, and also for a
    blurred fill, which has no texture that could change. No optical flow is needed. A
    mask of the pixels whose truth is static would be simpler, but with a hand-held
    camera it is nearly empty.

    The weight of a pixel is the smaller of its weights in the two frames: if the pixel
    is outside the hole in one of them, the change is not a change of the fill.

    Args:
      picture: consecutive filled views of one shot, in [0, 1].
      truth: the true views, in [0, 1].
      hole: pixels that the left camera did not see.
      tolerance: radius, in pixels, of the square in which the truth's change is taken.

    Returns:
      Excess in units of the full range: 0.01 is 1 %. NaN if there is only one frame,
      or if no pixel is in the hole in two consecutive frames.
    """
    excess = jnp.maximum(_change(picture) - dilate(_change(truth), tolerance), 0)
    hole = jnp.asarray(hole, jnp.float32)
    weight = jnp.minimum(hole[..., 1:, :, :], hole[..., :-1, :, :])
    axes = (-3, -2, -1)
    return (excess * weight).sum(axes) / weight.sum(axes)


def _change(
    video: Float[Array | np.ndarray, "*b t h w c"],
) -> Float[Array, "*b t-1 h w"]:
    """Returns each pixel's mean absolute difference from the previous frame."""
    return jnp.abs(jnp.diff(jnp.asarray(video, jnp.float32), axis=-4)).mean(-1)

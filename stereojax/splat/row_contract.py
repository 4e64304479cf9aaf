"""The contract of the implementations: rows of sources in, rows of targets out."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Bool, Float, Int, Shaped

NOWHERE = 1e9  # instead of the disparity of a source that lands nowhere


class Rows(NamedTuple):
    """Splatted rows, and the residuals that their gradient needs.

    By the published formula, `total` is the sum of the weights
    b * 2 ** (sharpness * (d - anchor)), and `anchor` a disparity near those that reach
    the target. By coverage, `anchor` is the shift (source column - target column) of
    the source that completes the target's coverage, or -NOWHERE, and `total` the
    coverage by the sources in front of that one.
    """

    warped: Float[Array, "n w c"]
    occlusion: Float[Array, "n w"]
    total: Float[Array, "n w"] | None
    anchor: Float[Array, "n w"] | None


# (image "n w c", d "n w" from `landing`, sharpness, *, hard_mask, residuals): each row
# on its own, so any number of frames is one long picture. `residuals=False` leaves out
# total and anchor.
RowSplat = Callable[..., Rows]
# The same by coverage, without the sharpness.
RowComposite = Callable[..., Rows]


def as_float(image: Shaped[Array, "*s"]) -> Float[Array, "*s"]:
    """Converts colours to float32; uint8 is divided by 255."""
    scale = 255 if image.dtype == jnp.uint8 else 1
    return image.astype(jnp.float32) / scale


def landing(
    disparity: Float[Array, "*b h w"], *, published_border: bool
) -> Float[Array, "*b h w"]:
    """Returns the disparity in float32, NOWHERE for sources that reach no target.

    These are sources whose disparity is not finite, and sources that leave the frame.
    So no such disparity is cast to an integer or widens the range of shifts.
    """
    *_, height, width = disparity.shape
    disparity = disparity.astype(jnp.float32)
    # Colours times a tap lighter than this could leave float32's range.
    disparity = jnp.where(jnp.abs(disparity) < 2.0**-100, 0, disparity)
    row = jnp.arange(height)[:, None]
    left = jnp.arange(width) - jnp.ceil(disparity)  # floor(x); comparisons fail for NaN
    if published_border:
        # The authors' CUDA kernel wants floor(x), floor(x) + 1, y and y + 1 inside.
        lands = (left >= 0) & (left + 1 < width) & (row + 1 < height)
    else:
        lands = (left >= -1) & (left < width)
    return jnp.where(lands, disparity, NOWHERE)


def bilinear_taps(
    d: Float[Array, "n w"],
) -> list[tuple[Int[Array, "n w"], Float[Array, "n w"], Bool[Array, "n w"]]]:
    """Returns (target column, weight, whether it counts) for both taps of each source.

    Floor and fraction are the disparity's: those of the position j - d would lose bits
    as j grows. Each weight is one subtraction, so that neither is rounded to nothing.
    """
    width = d.shape[-1]
    whole = lax.stop_gradient(jnp.floor(d))
    right = jnp.arange(width) - whole.astype(jnp.int32)
    taps = []
    for target, b in ((right, whole + 1 - d), (right - 1, d - whole)):
        taps.append((target, b, (target >= 0) & (target < width) & (b > 0)))
    return taps


def power(
    sharpness: float, whole: Float[Array, "*s"], fraction: Float[Array, "*s"]
) -> Float[Array, "*s"]:
    """Returns 2 ** (sharpness * (whole + fraction)), to float32's precision.

    `whole` are whole numbers below 4096. Taken in one product, the exponent would be
    rounded by its own size, and the power with it: 1e-6 at 2 ** 32.
    """
    mantissa, exponent = math.frexp(sharpness)
    coarse = math.ldexp(round(mantissa * 2**11), exponent - 11)  # times whole: exact
    octaves = jnp.round(coarse * whole)
    rest = coarse * whole - octaves + ((sharpness - coarse) * whole)
    bits = (jnp.clip(octaves, -126, 127).astype(jnp.int32) + 127) << 23
    return lax.bitcast_convert_type(bits, jnp.float32) * jnp.exp2(
        rest + sharpness * fraction
    )


def normalize(
    color: Float[Array, "n w c"],
    total: Float[Array, "n w"],
    coverage: Float[Array, "n w"],
    anchor: Float[Array, "n w"] | None,
    *,
    hard_mask: bool,
    residuals: bool,
) -> Rows:
    """Divides weighted sums to means, and turns unweighted coverage into occlusion."""
    covered = total > 0
    share = covered.astype(jnp.float32) if hard_mask else jnp.clip(coverage, 0, 1)
    warped = color / jnp.where(covered, total, 1)[..., None]
    warped = jnp.where(covered[..., None], warped, 0)
    more = (total, anchor) if residuals else (None, None)
    return Rows(warped, lax.stop_gradient(1 - share), *more)

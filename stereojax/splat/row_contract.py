"""The interface of the splat implementations, which map source rows to target rows."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Bool, Float, Int, Shaped

NOWHERE = 1e9  # the disparity given to sources that reach no target


class Rows(NamedTuple):
    """Splatted rows, and the residuals that their gradient needs.

    Published compositing: `total` is the sum of the weights
    b * 2 ** (sharpness * (d - anchor)); `anchor` is a disparity close to those of the
    sources that reach the target.

    Coverage compositing: `anchor` is the shift (source column - target column) of the
    source that completes the target's coverage, or -NOWHERE; `total` is the coverage by
    the sources in front of that source.
    """

    warped: Float[Array, "n w c"]
    occlusion: Float[Array, "n w"]
    total: Float[Array, "n w"] | None
    anchor: Float[Array, "n w"] | None


# (image "n w c", d "n w" from `landing`, sharpness, *, hard_mask, residuals). Rows are
# independent, so `n` is the rows of all frames. `residuals=False` leaves out total and
# anchor.
RowSplat = Callable[..., Rows]
# The same for coverage compositing, which has no sharpness.
RowComposite = Callable[..., Rows]


def as_float(image: Shaped[Array, "*s"]) -> Float[Array, "*s"]:
    """Converts colours to float32; uint8 is divided by 255."""
    scale = 255 if image.dtype == jnp.uint8 else 1
    return image.astype(jnp.float32) / scale


def landing(
    disparity: Float[Array, "*b h w"], *, published_border: bool
) -> Float[Array, "*b h w"]:
    """Returns the disparity in float32, NOWHERE for sources that reach no target.

    Sources reach no target if their disparity is not finite or moves them out of the
    frame. Without NOWHERE, non-finite values would be cast to integers, and large ones
    would widen the range of shifts.
    """
    *_, height, width = disparity.shape
    disparity = disparity.astype(jnp.float32)
    # The product of a colour and a smaller tap weight could underflow in float32.
    disparity = jnp.where(jnp.abs(disparity) < 2.0**-100, 0, disparity)
    row = jnp.arange(height)[:, None]
    left = jnp.arange(width) - jnp.ceil(disparity)  # floor(x); comparisons fail for NaN
    if published_border:
        # The authors' CUDA kernel requires floor(x) + 1 and y + 1 inside the frame too.
        lands = (left >= 0) & (left + 1 < width) & (row + 1 < height)
    else:
        lands = (left >= -1) & (left < width)
    return jnp.where(lands, disparity, NOWHERE)


def bilinear_taps(
    d: Float[Array, "n w"],
) -> list[tuple[Int[Array, "n w"], Float[Array, "n w"], Bool[Array, "n w"]]]:
    """Returns (target column, weight, is valid) for both taps of each source.

    A tap is valid if its column is in the frame and its weight is above 0. Floor and
    fraction are those of the disparity d, because the position j - d loses bits as j
    grows. Each weight is a single subtraction, so that no small weight rounds to 0.
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

    `whole` holds whole numbers below 4096. The exponent is not computed as one product,
    whose rounding would give the power a relative error of 1e-6 at 2 ** 32.
    """
    mantissa, exponent = math.frexp(sharpness)
    # The product coarse * whole is exact in float32.
    coarse = math.ldexp(round(mantissa * 2**11), exponent - 11)
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
    """Divides weighted sums by their weights, and converts coverage to occlusion."""
    covered = total > 0
    share = covered.astype(jnp.float32) if hard_mask else jnp.clip(coverage, 0, 1)
    warped = color / jnp.where(covered, total, 1)[..., None]
    warped = jnp.where(covered[..., None], warped, 0)
    residual_arrays = (total, anchor) if residuals else (None, None)
    return Rows(warped, lax.stop_gradient(1 - share), *residual_arrays)

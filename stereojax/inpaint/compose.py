"""Composition: the fill inside the hole, the splatted source everywhere else."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.inpaint.shift import neighbor
from stereojax.shapes import Array, Bool, Float
from stereojax.stage_types import REFERENCE_WIDTH, is_hole


@functools.partial(jax.jit, static_argnames=("dilate", "feather"))
def compose(
    warped: Float[Array, "t h w 3"],
    occlusion: Float[Array, "t h w"],
    fill: Float[Array, "t h w 3"],
    *,
    dilate: float | int = 1.0,
    feather: float | int = 4.0,
) -> Float[Array, "t h w 3"]:
    """The right view: `fill` in the hole, `warped` outside of it.

    Known pixels stay known: where `fill_share` is 0, so further than the dilation and
    the feather from any hole, the result is `warped` bit for bit. A pixel of the hole
    itself is all fill, so nothing of its emptiness shines through.

    Args:
      warped: splatted views in [0, 1], 0 in the holes.
      occlusion: 1 = nothing landed, as `forward_splat` returns it.
      fill: any complete pictures: a background fill, or what a model generated.
      dilate: growth of the hole, in pixels of a picture 1024 wide.
      feather: width of the ramp from fill to warped around the grown hole, likewise.
    """
    share = fill_share(occlusion, dilate=dilate, feather=feather)
    share = share[..., None]
    mixed = warped + share * (fill - warped)
    return jnp.where(share == 0, warped, jnp.where(share == 1, fill, mixed))


@functools.partial(jax.jit, static_argnames=("dilate", "feather"))
def fill_share(
    occlusion: Float[Array, "t h w"],
    *,
    dilate: float | int = 1.0,
    feather: float | int = 4.0,
) -> Float[Array, "t h w"]:
    """How much of each pixel `compose` takes from the fill; arguments as there.

    1 in the hole and within `dilate` of it, then falling to 0 over `feather`; distances
    are Euclidean, exact along rows and columns.
    """
    scale = occlusion.shape[-1] / REFERENCE_WIDTH
    grow, ramp = dilate * scale, feather * scale
    distance = lax.map(
        lambda frame: _distance(is_hole(frame), math.ceil(grow + ramp)), occlusion
    )
    # `ramp` may be 0: then a step at `grow`.
    return jnp.clip(1 - (distance - grow) / max(ramp, 1e-6), 0, 1)


def _distance(hole: Bool[Array, "h w"], limit: int) -> Float[Array, "h w"]:
    """Euclidean distance in pixels to the nearest hole pixel; inf beyond `limit` rows.

    The distance along the row first, then the best over the rows: exact.
    """
    height, width = hole.shape
    far = height + width
    x = jnp.arange(width, dtype=jnp.int32)[None]
    at_left = lax.cummax(jnp.where(hole, x, -far), axis=1)
    at_right = lax.cummin(jnp.where(hole, x, width + far), axis=1, reverse=True)
    along = jnp.minimum(x - at_left, at_right - x).astype(jnp.float32)
    square = jnp.where(along < far, along**2, jnp.inf)
    best = square
    for dy in range(1, min(limit, height - 1) + 1):
        best = jnp.minimum(best, neighbor(square, dy, 0, jnp.inf) + dy**2)
        best = jnp.minimum(best, neighbor(square, -dy, 0, jnp.inf) + dy**2)
    return jnp.sqrt(best)

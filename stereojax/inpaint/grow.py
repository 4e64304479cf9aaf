"""Growth of the hole towards the background, over the mixed pixels of a silhouette."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.inpaint.smooth import neighbor
from stereojax.shapes import Array, Bool, Float
from stereojax.stage_types import REFERENCE_WIDTH, is_hole

# Lengths and differences of disparity, in pixels of a picture 1024 wide.
REACH = 32.0  # a thing narrower than this is not background
KEEP = 8.0  # that much background is left beside what is nearer
TOLERANCE = 0.3  # between pixels of one surface
STEP_SHARE = 0.1  # the same, as a share of the step of disparity at the hole
SLOPE = 0.01  # of a surface: change of disparity from pixel to pixel


@functools.partial(jax.jit, static_argnames=("grow", "feather"))
def grow_hole(
    occlusion: Float[Array, "t h w"],
    disparity: Float[Array, "t h w"],
    *,
    grow: float | int,
    feather: float | int = 0.0,
) -> Float[Array, "t h w"]:
    """Returns the share of the fill in each pixel of a right view, in [0, 1].

    A silhouette's mixed pixels, part near object and part background, mostly move with
    the background. In the right view they lie at the right side of the hole, where the
    fill begins, and would be smeared across it as a second outline. So the hole grows
    to the right by `grow`, and the share then falls to 0 over `feather`. It grows over
    pixels of the background only, and stops at the first other one: a twig stays.

    At the left side of the hole the near object's last pixel is partly covered. It
    keeps that soft edge: its share is its occlusion. `grow` = `feather` = 0 changes
    nothing else. Everything with a share above 0 is to be filled; `composite` mixes.

    Args:
      occlusion: 1 = nothing landed, as `forward_splat` returns it.
      disparity: the splatted disparity of the same views, in pixels; what it holds in
        the hole is not read.
      grow: growth of the hole, in pixels of a picture 1024 wide.
      feather: width of the ramp from fill to picture beyond it, likewise.
    """
    scale = occlusion.shape[-1] / REFERENCE_WIDTH
    grow, feather = grow * scale, feather * scale
    ramp = max(feather, 1.0)  # a pixel is the narrowest step
    steps = math.ceil(grow + (feather + ramp) / 2 + 0.5) - 1

    def share_of(frame: tuple[Array, Array]) -> Array:
        occlusion, disparity = frame
        hole = is_hole(occlusion)
        share = soft_near_edge(occlusion, hole)
        if steps:
            excess = distance_from_background(disparity, hole, scale)
            # A hole is as wide as its step of disparity. Soft depth leaves a part of
            # the step beyond it.
            allowed = TOLERANCE * scale + STEP_SHARE * _run_length(hole)
        reached = hole
        for step in range(1, steps + 1):
            allowed = neighbor(allowed, 0, -1)
            reached = neighbor(reached, 0, -1, False) & (excess <= allowed)
            # The mean over the pixel of a ramp that begins `grow` beyond the hole.
            level = 0.5 + (grow + feather / 2 - (step - 0.5)) / ramp
            share = jnp.maximum(share, reached * jnp.float32(min(level, 1.0)))
        return share

    return lax.map(share_of, (occlusion, disparity))


def soft_near_edge(
    occlusion: Float[Array, "h w"], hole: Bool[Array, "h w"]
) -> Float[Array, "h w"]:
    """Returns 1 in the hole, but the occlusion at its left end and just before it."""
    # Of a surface: single pixels between holes come from a slope of soft depth.
    surface = ~hole & neighbor(~hole, 0, -1, False) & neighbor(~hole, 0, -2, False)
    before_hole = surface & neighbor(hole, 0, 1, False)
    # At the frame's left edge no surface ends.
    first = hole & neighbor(surface, 0, -1, False)
    return jnp.where(first | before_hole, occlusion, hole.astype(occlusion.dtype))


def distance_from_background(
    disparity: Float[Array, "h w"], hole: Bool[Array, "h w"], scale: float
) -> Float[Array, "h w"]:
    """Returns by how much pixels close at the right differ; infinite in the hole.

    Within REACH by how much they are farther: a twig is not background. Within KEEP by
    how much they are nearer, holes infinitely: the fill begins with those pixels and
    must not repeat a twig.
    """
    x = jnp.arange(disparity.shape[1], dtype=disparity.dtype)
    # A slope up to SLOPE is no step: the row is compared once it is tilted by SLOPE.
    known = jnp.where(hole, jnp.inf, disparity)
    rising, falling = known + SLOPE * x, known - SLOPE * x
    farther = rising - _window(jnp.minimum, rising, REACH * scale)
    nearer = _window(jnp.maximum, falling, KEEP * scale) - falling
    return jnp.where(hole, jnp.inf, jnp.maximum(farther, nearer))


def _run_length(hole: Bool[Array, "h w"]) -> Float[Array, "h w"]:
    """Returns for each hole pixel the number of hole pixels up to it from its left."""
    x = jnp.arange(hole.shape[1], dtype=jnp.int32)[None]
    last_known = lax.cummax(jnp.where(hole, -1, x), axis=1)
    return jnp.where(hole, x - last_known, 0).astype(jnp.float32)


def _window(
    bound: Callable[[Array, Array], Array], x: Float[Array, "h w"], reach: float
) -> Float[Array, "h w"]:
    """Returns the bound over each pixel and those within `reach` at its right."""
    reach = math.ceil(reach)
    covered = 1  # pixels from each one on
    while covered <= reach:
        step = min(covered, reach + 1 - covered)
        # Beyond the frame the last pixel is repeated.
        beyond = jnp.pad(x, ((0, 0), (0, step)), mode="edge")[:, step:]
        x = bound(x, beyond)
        covered += step
    return x

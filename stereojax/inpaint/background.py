"""Background fill: extends the background into the holes, without any network."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.inpaint.rows import extend_rows
from stereojax.inpaint.smooth import blend_columns, relax
from stereojax.shapes import Array, Float
from stereojax.stage_types import REFERENCE_WIDTH, is_hole

# Colours much further apart than this (Euclidean, RGB in [0, 1]) count as different
# surfaces.
EDGE = 0.3


@functools.partial(jax.jit, static_argnames=("steps", "row_share", "frames_at_once"))
def fill_background(
    warped: Float[Array, "t h w 3"],
    occlusion: Float[Array, "t h w"],
    *,
    steps: int = 12,
    row_share: float | int = 0.4,
    frames_at_once: int | None = None,
) -> Float[Array, "t h w 3"]:
    """Fills the holes of splatted right views with their background.

    Each frame is filled by itself, in float32. The background beside each hole is
    extended along the rows. The rows are blended, more strongly with the distance from
    known pixels, but not across edges. A few steps of Laplace's equation tie the result
    to the surroundings of the hole, weakly where they may be the nearer surface. The
    result is the mean of this membrane and of the plain extension: their errors are
    independent, and their mean is closer to real right views than either
    (`python -m benchmarks.fill`). It is a smooth function of the known colours, so a
    steady scene does not flicker.

    Args:
      warped: splatted views in [0, 1]; their values in a hole are not read.
      occlusion: 1 = nothing landed, as `forward_splat` returns it; pixels that are no
        hole (`is_hole`) keep their splatted colour, bit for bit.
      steps: number of steps of Laplace's equation.
      row_share: weight of the plain extension in the mean, in [0, 1]. A larger share
        keeps more texture, which shows as streaks.
      frames_at_once: number of frames that are filled together; memory grows with it,
        and not with the number of frames. By default 1 on a CPU and 8 elsewhere, where
        one frame's rows are too few to keep the device busy.
    """
    if frames_at_once is None:
        frames_at_once = 1 if jax.default_backend() == "cpu" else 8

    def fill(frame: tuple[Array, Array]) -> Array:
        colors, hole = jnp.moveaxis(frame[0], -1, 0), is_hole(frame[1])
        return jnp.moveaxis(_fill(colors, hole, steps, row_share), 0, -1)

    batch = frames_at_once if frames_at_once > 1 else None
    return lax.map(fill, (warped.astype(jnp.float32), occlusion), batch_size=batch)


def _fill(colors, hole, steps, row_share):
    width = hole.shape[1]
    scale = width / REFERENCE_WIDTH
    extended, distance, from_right = extend_rows(colors, hole, reach=2 * scale)
    # The longest distance is 16 at a width of 1024; at least one pass.
    passes = 1 + max(0, math.ceil(math.log2(0.012 * width)))
    blended = blend_columns(
        extended, hole, scale + 0.3 * distance, edge=EDGE, passes=passes
    )
    membrane = relax(blended, hole, from_right, edge=EDGE, steps=steps)
    filled = row_share * extended + (1 - row_share) * membrane
    return jnp.where(hole, filled, colors)

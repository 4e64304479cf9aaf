"""Background fill: extends the background into the holes, without any network."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.inpaint.amounts import FillAmounts
from stereojax.inpaint.packed_mask import pack
from stereojax.inpaint.rows import extend_rows
from stereojax.inpaint.smooth import blend_columns, relax
from stereojax.inpaint.sparse_fill import fill_list
from stereojax.shapes import Array, Bool, Float
from stereojax.stage_types import is_hole

# Colours much further apart than this (Euclidean, RGB in [0, 1]) count as different
# surfaces.
EDGE = 0.3

# Lengths of the list of hole pixels, as shares of the picture; most holes are 2 to 5 %.
# A run of hole pixels in a row is longer than RUN_LENGTH on average.
LIST_SHARES = (0.05, 0.15)
RUN_LENGTH = 3
# Pixels of a picture for which a list saves more time than its compilation costs.
LIST_FROM = 1 << 17


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

    _, height, width, _ = warped.shape
    # Accelerators fill the whole picture faster than a list of scattered pixels.
    by_area = jax.default_backend() == "cpu" and height * width >= LIST_FROM
    fill = fill_by_area if by_area else fill_dense
    amounts = FillAmounts.for_width(width, edge=EDGE, steps=steps, row_share=row_share)
    batch = frames_at_once if frames_at_once > 1 else None
    frames = warped.astype(jnp.float32), is_hole(occlusion)
    return lax.map(lambda frame: fill(*frame, amounts), frames, batch_size=batch)


def fill_by_area(
    picture: Float[Array, "h w 3"], hole: Bool[Array, "h w"], amounts: FillAmounts
) -> Float[Array, "h w 3"]:
    """Fills a hole on a list of its pixels, so that the cost follows its area.

    The list has the first of the lengths `LIST_SHARES` that the hole fits. A hole that
    fits none, or that takes a whole row, is filled as by `fill_dense`.
    """
    height, width = hole.shape
    packed = pack(hole.reshape(-1))
    # Ends of runs of hole pixels: before a known pixel, or at the end of a row.
    runs = jnp.sum(hole[:, :-1] & ~hole[:, 1:]) + height
    lengths = [math.ceil(share * height * width) for share in LIST_SHARES]
    most_runs = [length // RUN_LENGTH + height for length in lengths]

    fits = [packed.count <= n for n in lengths], [runs <= n for n in most_runs]
    fits = jnp.stack([*map(jnp.logical_and, *fits), jnp.bool_(True)])
    whole_row = jnp.any(jnp.all(hole, axis=1))
    choice = jnp.where(whole_row, len(lengths), jnp.argmax(fits))

    def dense(picture, packed):
        return fill_dense(picture, hole, amounts)

    lists = [
        functools.partial(
            fill_list, amounts=amounts, max_pixels=length, max_runs=max_runs
        )
        for length, max_runs in zip(lengths, most_runs, strict=True)
    ]
    return lax.switch(choice, [*lists, dense], picture, packed)


def fill_dense(
    picture: Float[Array, "h w 3"], hole: Bool[Array, "h w"], amounts: FillAmounts
) -> Float[Array, "h w 3"]:
    """Fills a hole by passes over the whole picture: the specification."""
    colors = jnp.moveaxis(picture, -1, 0)
    extended, distance, from_right = extend_rows(colors, hole, reach=amounts.reach)
    spread = amounts.spread + amounts.spread_growth * distance
    blended = blend_columns(
        extended, hole, spread, edge=amounts.edge, passes=amounts.passes
    )
    membrane = relax(blended, hole, from_right, edge=amounts.edge, steps=amounts.steps)
    filled = amounts.row_share * extended + (1 - amounts.row_share) * membrane
    return jnp.moveaxis(jnp.where(hole, filled, colors), 0, -1)

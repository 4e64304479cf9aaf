"""The splat for Hopper and later GPUs: one Pallas Mosaic GPU kernel, no atomics.

Each program computes `TILES` neighbouring tiles of target pixels in one row. It reads
the row's disparities once, finds the range of shifts that reach each tile, and adds the
sources of that range, nearest first. The result is deterministic.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu

from stereojax.shapes import Array, Float
from stereojax.splat.nearest_first import Coverage, Published
from stereojax.splat.row_contract import NOWHERE, Rows

TILE = 128  # target pixels of a tile: one for each thread of a warpgroup
TILES = 4  # tiles per program, which share one pass over the row's disparities
# Padding at both ends of a row, in pixels. A shift that reaches one target of a tile
# takes the other targets' sources past the end of the row by less than TILE, and by up
# to 2 more because the range of shifts is rounded outwards.
MARGIN = TILE + 8


def gather_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    sharpness: float,
    *,
    hard_mask: bool,
    residuals: bool = True,
    interpret: object = None,
) -> Rows:
    """Splats each row by the published formula (`nearest_first.Published`)."""
    return _launch(image, d, Published(sharpness, hard_mask), residuals, interpret)


def composite_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    *,
    hard_mask: bool,
    residuals: bool = True,
    interpret: object = None,
) -> Rows:
    """Splats each row by coverage-true compositing (`nearest_first.Coverage`)."""
    return _launch(image, d, Coverage(hard_mask), residuals, interpret)


def _launch(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    formula: Published | Coverage,
    residuals: bool,
    interpret: object,
) -> Rows:
    rows, image_width, channels = image.shape
    width = max(image_width, TILE)
    pitch = -(-(width + 2 * MARGIN) // 4) * 4
    # The kernel's input, which XLA computes in one fusion: a plane for each colour
    # channel, then the formula's planes.
    planes = jnp.stack(formula.planes(d), axis=1)
    sources = jnp.pad(
        jnp.concatenate([jnp.moveaxis(image, -1, 1), planes], axis=1),
        ((0, 0), (0, 0), (MARGIN, pitch - image_width - MARGIN)),
        constant_values=NOWHERE,
    )
    segments = -(-width // (TILE * TILES))
    output_shapes = [(rows, width, channels)] + [(rows, width)] * (
        3 if residuals else 1
    )
    kernel = plgpu.kernel(
        functools.partial(_program, segments=segments, formula=formula),
        out_type=[jax.ShapeDtypeStruct(shape, jnp.float32) for shape in output_shapes],
        grid=(rows * segments,),
        grid_names=("program",),
        compiler_params=plgpu.CompilerParams(
            lowering_semantics=plgpu.LoweringSemantics.Warpgroup
        ),
        interpret=interpret,
        kernel_name="splat",
    )
    # The lanes are numbered from 1, because XLA would compute numbers from 0 in a
    # separate kernel.
    outputs = kernel(sources, np.arange(1, TILE + 1, dtype=np.float32))
    return Rows(*(x[:, :image_width] for x in outputs), *[None] * (4 - len(outputs)))


def _program(sources_ref, lane_ref, warped_ref, *rest, segments, formula):
    """Computes the tiles of one program; `rest` are occlusion and the residuals."""
    width, channels = warped_ref.shape[1:]
    planes = sources_ref.shape[1]
    program = lax.axis_index("program")
    row = program // segments
    begin = (program % segments) * (TILE * TILES)
    # The last tiles of a row may overlap; both write the same values there.
    tiles = [jnp.minimum(begin + i * TILE, width - TILE) for i in range(TILES)]
    lane = lane_ref[...]

    def disparity(first: Array) -> Array:
        """Loads that of TILE sources from column `first`; `Coverage` rounds it down."""
        return sources_ref[row, channels, pl.ds(MARGIN + first, TILE)]

    def widen(i: Array, ranges: tuple) -> tuple:
        """Widens each tile's range of disparities by the sources that reach it."""
        first = jnp.minimum(i * TILE, width - TILE)
        d = disparity(first)
        x = lane + (first - 1).astype(jnp.float32) - d
        widened = []
        for tile, (low, high) in zip(tiles, ranges, strict=True):
            # Rounded outwards: a shift that reaches no target adds nothing.
            edge = tile.astype(jnp.float32)
            near = (x > edge - 1.01) & (x < edge + (TILE + 0.01))
            low = jnp.minimum(low, jnp.where(near, d, NOWHERE))
            widened.append((low, jnp.maximum(high, jnp.where(near, d, -NOWHERE))))
        return tuple(widened)

    empty = jnp.full_like(lane, NOWHERE)  # (empty, -empty) is an empty range
    ranges = lax.fori_loop(
        0, math.ceil(width / TILE), widen, ((empty, -empty),) * TILES
    )
    for tile, (low, high) in zip(tiles, ranges, strict=True):
        low, high = jnp.min(low), jnp.max(high)
        # A source of disparity d has the shifts floor(d) and floor(d) + 1; casts round
        # towards 0. No shift may leave the padded row.
        last = jnp.minimum((high + 1).astype(jnp.int32), width + 3 - tile)
        first = jnp.maximum((low - 1).astype(jnp.int32), -tile - TILE - 3)

        def add_shift(i, sums, tile=tile, last=last):
            k = last - i
            at = pl.ds(MARGIN + tile + k, TILE)
            source = tuple(sources_ref[row, c, at] for c in range(planes))
            colors, taps = source[:channels], source[channels:]
            return formula.add_shift(sums, k.astype(jnp.float32), colors, taps)

        sums = formula.start(lane, channels)
        sums = lax.fori_loop(0, last - first + 1, add_shift, sums)
        colors, occlusion = formula.finish(sums)
        at = pl.ds(tile, TILE)
        for c, color in enumerate(colors):
            warped_ref[row, at, c] = color
        for ref, value in zip(rest, (occlusion, sums.total, sums.anchor), strict=False):
            ref[row, at] = value

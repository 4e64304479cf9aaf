"""The splat for Hopper and later GPUs: one Pallas Mosaic kernel, no atomics.

A program gathers some neighbouring tiles of targets of one row. It reads the row's
disparities once, finds for each tile the window of shifts that can reach it, and runs
through that window nearest first. Every run gives the same bits.
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

TILE = 128  # targets: a warpgroup has as many threads
TILES = 4  # of one program, which share its look at the row's disparities
# A tile's shifts come from sources that reach it, so that its other targets look past
# the ends of the row by less than TILE, and two for rounding.
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
    """Splats each row by the published formula.

    The anchor is the disparity of the target's first source.
    """
    return _launch(image, d, Published(sharpness, hard_mask), residuals, interpret)


def composite_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    *,
    hard_mask: bool,
    residuals: bool = True,
    interpret: object = None,
) -> Rows:
    """Splats each row by coverage."""
    return _launch(image, d, Coverage(hard_mask), residuals, interpret)


def _launch(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    formula: Published | Coverage,
    residuals: bool,
    interpret: object,
) -> Rows:
    rows, given, channels = image.shape
    width = max(given, TILE)
    pitch = -(-(width + 2 * MARGIN) // 4) * 4
    # One fusion makes the kernel's input: a plane for each channel, then the formula's.
    planes = jnp.stack(formula.planes(d), axis=1)
    sources = jnp.pad(
        jnp.concatenate([jnp.moveaxis(image, -1, 1), planes], axis=1),
        ((0, 0), (0, 0), (MARGIN, pitch - given - MARGIN)),
        constant_values=NOWHERE,
    )
    segments = -(-width // (TILE * TILES))
    outputs = [(rows, width, channels)] + [(rows, width)] * (3 if residuals else 1)
    kernel = plgpu.kernel(
        functools.partial(_program, segments=segments, formula=formula),
        out_type=[jax.ShapeDtypeStruct(shape, jnp.float32) for shape in outputs],
        grid=(rows * segments,),
        grid_names=("program",),
        compiler_params=plgpu.CompilerParams(
            lowering_semantics=plgpu.LoweringSemantics.Warpgroup
        ),
        interpret=interpret,
        kernel_name="splat",
    )
    # From 1, as XLA would launch a kernel of its own to count from 0.
    done = kernel(sources, np.arange(1, TILE + 1, dtype=np.float32))
    return Rows(*(x[:, :given] for x in done), *[None] * (4 - len(done)))


def _program(sources_ref, lane_ref, warped_ref, *rest, segments, formula):
    width, channels = warped_ref.shape[1:]
    planes = sources_ref.shape[1]
    program = lax.axis_index("program")
    row = program // segments
    begin = (program % segments) * (TILE * TILES)
    # The last tiles of a row may overlap: shared targets get the same values twice.
    tiles = [jnp.minimum(begin + i * TILE, width - TILE) for i in range(TILES)]
    lane = lane_ref[...]

    # Disparity of the TILE sources from `first` on; rounded down for `Coverage`.
    def disparity(first: Array) -> Array:
        return sources_ref[row, channels, pl.ds(MARGIN + first, TILE)]

    def look(i: Array, ranges: tuple) -> tuple:
        first = jnp.minimum(i * TILE, width - TILE)
        d = disparity(first)
        x = lane + (first - 1).astype(jnp.float32) - d
        found = []
        for tile, (low, high) in zip(tiles, ranges, strict=True):
            # Rounded outwards: one shift too many adds nothing.
            edge = tile.astype(jnp.float32)
            near = (x > edge - 1.01) & (x < edge + (TILE + 0.01))
            low = jnp.minimum(low, jnp.where(near, d, NOWHERE))
            found.append((low, jnp.maximum(high, jnp.where(near, d, -NOWHERE))))
        return tuple(found)

    nothing = jnp.full_like(lane, NOWHERE)
    ranges = lax.fori_loop(
        0, math.ceil(width / TILE), look, ((nothing, -nothing),) * TILES
    )
    for tile, (low, high) in zip(tiles, ranges, strict=True):
        low, high = jnp.min(low), jnp.max(high)
        # A source reaches the shifts floor(d) and floor(d) + 1; casts go towards 0.
        # No shift may leave the padded row.
        last = jnp.minimum((high + 1).astype(jnp.int32), width + 3 - tile)
        first = jnp.maximum((low - 1).astype(jnp.int32), -tile - TILE - 3)

        def shift(i, sums, tile=tile, last=last):
            k = last - i
            at = pl.ds(MARGIN + tile + k, TILE)
            source = tuple(sources_ref[row, c, at] for c in range(planes))
            colors, taps = source[:channels], source[channels:]
            return formula.add_shift(sums, k.astype(jnp.float32), colors, taps)

        start = formula.start(lane, channels)
        sums = lax.fori_loop(0, last - first + 1, shift, start)
        colors, occlusion = formula.finish(sums)
        at = pl.ds(tile, TILE)
        for c, color in enumerate(colors):
            warped_ref[row, at, c] = color
        for ref, value in zip(rest, (occlusion, sums.total, sums.anchor), strict=False):
            ref[row, at] = value

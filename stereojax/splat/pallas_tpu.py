"""The splat for TPUs: one Pallas kernel that rolls whole rows along the lanes.

A program holds eight rows in vector memory and runs through the shifts that their
disparities have, nearest first. Every run gives the same bits.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from stereojax.shapes import Array, Float
from stereojax.splat.nearest_first import Coverage, Published
from stereojax.splat.row_contract import NOWHERE, Rows

ROWS, LANES = 8, 128  # of one vector register
MAX_WIDTH = 8192  # about 30 planes of eight rows must fit 16 MB of vector memory


def gather_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    sharpness: float,
    *,
    hard_mask: bool,
    residuals: bool = True,
    interpret: object = False,
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
    interpret: object = False,
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
    rows, width, channels = image.shape
    # A row is a ring. No source is taken for one a whole ring away, as each one's
    # targets lie in [-1, width], and the ring is longer than that.
    ring = -(-(width + 2) // LANES) * LANES
    padded = -(-rows // ROWS) * ROWS
    sources = jnp.pad(
        jnp.concatenate([jnp.moveaxis(image, -1, 0), jnp.stack(formula.planes(d))]),
        ((0, 0), (0, padded - rows), (0, ring - width)),
        constant_values=NOWHERE,
    )
    planes = channels + (3 if residuals else 1)
    out = pl.pallas_call(
        functools.partial(_program, channels=channels, formula=formula),
        grid=(padded // ROWS,),
        in_specs=[pl.BlockSpec((len(sources), ROWS, ring), lambda i: (0, i, 0))],
        out_specs=pl.BlockSpec((planes, ROWS, ring), lambda i: (0, i, 0)),
        out_shape=jax.ShapeDtypeStruct((planes, padded, ring), jnp.float32),
        interpret=interpret,
        name="splat",
    )(sources)[:, :rows, :width]
    warped = jnp.moveaxis(out[:channels], 0, -1)
    rest = [out[channels + i] for i in range(planes - channels)]
    return Rows(warped, *rest, *[None] * (3 - len(rest)))


def _program(sources_ref, out_ref, *, channels, formula):
    planes, _, ring = sources_ref.shape
    d = sources_ref[channels]  # for `Coverage` rounded down
    lands = d < NOWHERE
    # A source reaches the shifts floor(d) and floor(d) + 1; casts go towards 0.
    high = jnp.max(jnp.where(lands, d, -NOWHERE))
    low = jnp.min(jnp.where(lands, d, NOWHERE))
    last, first = (high + 1).astype(jnp.int32), (low - 1).astype(jnp.int32)

    def shift(i, sums):
        k = last - i
        turn = lax.rem(lax.rem(-k, ring) + ring, ring)

        def at(plane):
            return pltpu.roll(plane, turn, axis=1)

        source = tuple(at(sources_ref[c]) for c in range(planes))
        colors, taps = source[:channels], source[channels:]
        return formula.add_shift(sums, k.astype(jnp.float32), colors, taps)

    sums = lax.fori_loop(0, last - first + 1, shift, formula.start(d, channels))
    colors, occlusion = formula.finish(sums)
    values = (*colors, occlusion, sums.total, sums.anchor)
    for i in range(out_ref.shape[0]):
        out_ref[i] = values[i]

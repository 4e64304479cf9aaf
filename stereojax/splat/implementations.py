"""The implementations by name, and what the Pallas ones need."""

import functools
import importlib
import types

import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Float
from stereojax.splat.reference import scatter_rows
from stereojax.splat.row_contract import NOWHERE, Rows, RowSplat
from stereojax.splat.xla_gather import gather_rows

WIDE = 64  # pixels of range; a scatter's time does not depend on it, a gather's does
PLATFORMS = {"pallas_gpu": "gpu", "pallas_tpu": "tpu"}  # as jax names devices
LOWERED_FOR = {"pallas_gpu": "cuda", "pallas_tpu": "tpu"}  # as it names compilers


def gather_or_scatter_rows(
    image: Float[Array, "n w c"], d: Float[Array, "n w"], sharpness: float, **options
) -> Rows:
    """Whichever is faster on a CPU for these disparities; decided on the device."""
    lands = d < NOWHERE
    low = jnp.min(d, where=lands, initial=NOWHERE)
    high = jnp.max(d, where=lands, initial=-NOWHERE)
    return lax.cond(
        high - low > WIDE,
        functools.partial(scatter_rows, sharpness=sharpness, **options),
        functools.partial(gather_rows, sharpness=sharpness, **options),
        image,
        d,
    )


@functools.cache
def pallas_module(name: str) -> types.ModuleType:
    """Imported when needed: it takes time, and not every jax has all of Pallas."""
    return importlib.import_module(f"stereojax.splat.{name}")


def pallas_rows(
    name: str, image: Float[Array, "n w c"], d: Float[Array, "n w"], *args, **options
) -> Rows:
    """The Pallas kernel where the program is compiled for its platform.

    Elsewhere `gather_rows`: so a program can be traced on one platform for another.
    """
    kernel = pallas_module(name).gather_rows

    def run(rows: RowSplat) -> RowSplat:
        return lambda image, d: rows(image, d, *args, **options)

    return lax.platform_dependent(
        image, d, default=run(gather_rows), **{LOWERED_FOR[name]: run(kernel)}
    )


IMPLEMENTATIONS: dict[str, RowSplat] = {
    "xla": gather_or_scatter_rows,
    "xla_gather": gather_rows,
    "xla_scatter": scatter_rows,
    "pallas_gpu": functools.partial(pallas_rows, "pallas_gpu"),
    "pallas_tpu": functools.partial(pallas_rows, "pallas_tpu"),
}

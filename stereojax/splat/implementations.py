"""The implementations by name, and the requirements of the Pallas kernels."""

import functools
import importlib
import types
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Float
from stereojax.splat import reference, xla_composite, xla_gather
from stereojax.splat.row_contract import NOWHERE, RowComposite, Rows, RowSplat

WIDE = 64  # pixels of range; a scatter's time does not depend on it, a gather's does
PLATFORMS = {"pallas_gpu": "gpu", "pallas_tpu": "tpu"}  # as jax names devices
LOWERED_FOR = {"pallas_gpu": "cuda", "pallas_tpu": "tpu"}  # as it names compilers


class Implementation(NamedTuple):
    """One splat of rows for each value of `forward_splat`'s `compositing`."""

    published: RowSplat
    coverage: RowComposite


def gather_or_scatter_rows(
    image: Float[Array, "n w c"], d: Float[Array, "n w"], sharpness: float, **options
) -> Rows:
    """Splats by the published formula, by whichever is faster on a CPU."""
    return _by_range(
        functools.partial(xla_gather.gather_rows, sharpness=sharpness, **options),
        functools.partial(reference.scatter_rows, sharpness=sharpness, **options),
        image,
        d,
    )


def gather_or_scatter_composite(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    *,
    hard_mask: bool,
    residuals: bool = True,
) -> Rows:
    """Splats by coverage, by whichever is faster on a CPU."""
    gather = functools.partial(
        xla_composite.composite_rows, hard_mask=hard_mask, residuals=residuals
    )
    if residuals:  # the reference has none
        return gather(image, d)
    scatter = functools.partial(reference.composite_rows, hard_mask=hard_mask)
    return _by_range(gather, scatter, image, d)


def _by_range(gather: RowSplat, scatter: RowSplat, image: Array, d: Array) -> Rows:
    """Runs the scatter where disparities range widely; decided on the device."""
    lands = d < NOWHERE
    low = jnp.min(d, where=lands, initial=NOWHERE)
    high = jnp.max(d, where=lands, initial=-NOWHERE)
    return lax.cond(high - low > WIDE, scatter, gather, image, d)


@functools.cache
def pallas_module(name: str) -> types.ModuleType:
    """Imports a Pallas implementation when needed.

    The import takes time, and not every jax has all of Pallas.
    """
    return importlib.import_module(f"stereojax.splat.{name}")


def pallas(name: str) -> Implementation:
    """The Pallas kernels where the program is compiled for their platform.

    On other platforms, the XLA gathers. So a program can be traced on one platform and
    compiled for another.
    """

    def rows(function: str, elsewhere: RowSplat) -> RowSplat:
        def run(image: Array, d: Array, *args, **options) -> Rows:
            kernel = getattr(pallas_module(name), function)
            branches = {"default": elsewhere, LOWERED_FOR[name]: kernel}
            branches = {
                platform: lambda image, d, branch=branch: branch(
                    image, d, *args, **options
                )
                for platform, branch in branches.items()
            }
            return lax.platform_dependent(image, d, **branches)

        return run

    return Implementation(
        rows("gather_rows", xla_gather.gather_rows),
        rows("composite_rows", xla_composite.composite_rows),
    )


IMPLEMENTATIONS: dict[str, Implementation] = {
    "xla": Implementation(gather_or_scatter_rows, gather_or_scatter_composite),
    "xla_gather": Implementation(xla_gather.gather_rows, xla_composite.composite_rows),
    "xla_scatter": Implementation(reference.scatter_rows, reference.composite_rows),
    "pallas_gpu": pallas("pallas_gpu"),
    "pallas_tpu": pallas("pallas_tpu"),
}

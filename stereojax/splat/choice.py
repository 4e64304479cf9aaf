"""The implementations: which runs where, and why."""

import dataclasses
import functools
import logging
import math

import jax
import jax.numpy as jnp
from jax import lax

from stereojax.shapes import Array, Float
from stereojax.splat.reference import scatter_rows
from stereojax.splat.rows import NOWHERE, Rows, RowSplat
from stereojax.splat.xla_gather import MAX_SHARPNESS, gather_rows

log = logging.getLogger("stereojax.splat")
SMALL = 1 << 16  # sources; for fewer, the time to compile is all that counts
WIDE = 64  # pixels of range; a scatter's time does not depend on it, a gather's does


def gather_or_scatter_rows(
    image: Float[Array, "n w c"],
    d: Float[Array, "n w"],
    sharpness: float,
    *,
    hard_mask: bool,
) -> Rows:
    """Whichever is faster on a CPU for these disparities; decided on the device."""
    lands = d < NOWHERE
    low = jnp.min(d, where=lands, initial=NOWHERE)
    high = jnp.max(d, where=lands, initial=-NOWHERE)
    return lax.cond(
        high - low > WIDE,
        functools.partial(scatter_rows, sharpness=sharpness, hard_mask=hard_mask),
        functools.partial(gather_rows, sharpness=sharpness, hard_mask=hard_mask),
        image,
        d,
    )


IMPLEMENTATIONS: dict[str, RowSplat] = {
    "xla": gather_or_scatter_rows,
    "xla_gather": gather_rows,
    "xla_scatter": scatter_rows,
}


@dataclasses.dataclass(frozen=True)
class Choice:
    """An implementation's name, and the reason in words for the report."""

    implementation: str
    reason: str


def choose(
    shape: tuple[int, ...], sharpness: float = 0.5, platform: str | None = None
) -> Choice:
    """What `forward_splat(..., implementation=None)` runs for an image of `shape`.

    `platform` is jax's name for where it will run; by default, the default device's.
    """
    platform = platform or default_platform()
    if sharpness > MAX_SHARPNESS:
        reason = f"sharpness {sharpness:g} is above the gather's {MAX_SHARPNESS:g}"
        return Choice("xla_scatter", reason)
    if platform == "cpu" and math.prod(shape[:-1]) >= SMALL:
        return Choice("xla", f"cpu: a gather, or a scatter from {WIDE} px of range")
    return Choice("xla_scatter", f"{platform}: the reference")


def default_platform() -> str:
    """Where jax runs what is not placed by hand: cpu, gpu, tpu."""
    device = jax.config.jax_default_device
    if device is None:
        return jax.default_backend()
    return device if isinstance(device, str) else device.platform

"""The choice of an implementation for a platform and a size, with its reason."""

import concurrent.futures
import dataclasses
import functools
import logging
import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.splat.implementations import PLATFORMS, WIDE, pallas_module
from stereojax.splat.reference import composite_rows, scatter_rows
from stereojax.splat.row_contract import RowSplat, landing
from stereojax.splat.workloads import scene
from stereojax.splat.xla_gather import MAX_SHARPNESS

log = logging.getLogger("stereojax.splat")
SMALL = 1 << 16  # sources; for fewer, only the time to compile matters


@dataclasses.dataclass(frozen=True)
class Choice:
    """An implementation's name, and the reason in words for the report."""

    implementation: str
    reason: str


def choose(
    shape: tuple[int, ...],
    sharpness: float = 0.5,
    *,
    compositing: Literal["published", "coverage"] = "published",
    wanted: str | None = None,
    platform: str | None = None,
) -> Choice:
    """Returns what `forward_splat(..., implementation=wanted)` runs for a `shape`.

    `platform` is jax's name of the platform; by default, the default device's. An
    implementation that cannot run here is replaced, and a warning in the log says why.
    """
    platform = platform or default_platform()
    if wanted == "xla_scatter":
        return Choice(wanted, "asked for")
    if compositing == "published" and sharpness > MAX_SHARPNESS:
        reason = f"sharpness {sharpness:g} is above the gathers' {MAX_SHARPNESS:g}"
        return _instead(wanted, "xla_scatter", reason)
    if wanted in PLATFORMS:
        return _pallas(wanted, shape, platform, "xla_gather", asked=True)
    if wanted:
        return Choice(wanted, "asked for")
    if platform == "gpu":
        # Compositing by the reference takes a column at a time: too few at once.
        otherwise = "xla_scatter" if compositing == "published" else "xla_gather"
        return _pallas("pallas_gpu", shape, platform, otherwise)
    if platform == "tpu":
        return _pallas("pallas_tpu", shape, platform, "xla_gather")
    if math.prod(shape[:-1]) < SMALL:
        return Choice("xla_scatter", f"{platform}: small frames")
    return Choice("xla", f"{platform}: a gather, or a scatter from {WIDE} px of range")


def _pallas(
    name: str, shape: tuple, platform: str, otherwise: str, *, asked: bool = False
) -> Choice:
    reason = _unusable(name, shape, platform)
    if reason:
        return _instead(name, otherwise, reason)
    if platform != PLATFORMS[name]:
        _log_once(f"{name} on {platform}: {otherwise} stands in for it")
    return Choice(name, "asked for" if asked else f"{platform}: deterministic kernel")


def _unusable(name: str, shape: tuple, platform: str) -> str | None:
    """Returns why `name` cannot run; the kernel is tried only on its own platform."""
    try:
        module = pallas_module(name)
    except ImportError as error:
        return f"this jax cannot import it: {error}"
    widest = getattr(module, "MAX_WIDTH", math.inf)
    if shape[-2] > widest:
        return f"frames are {shape[-2]} wide; its rows fit up to {widest}"
    if platform != PLATFORMS[name] or default_platform() != platform:
        return None
    return _broken(name)


@functools.cache
def _broken(name: str) -> str | None:
    """Compares the kernels with the reference once, on a few pixels."""
    if name == "pallas_gpu":
        device = jax.local_devices()[0]
        capability = str(getattr(device, "compute_capability", "none"))
        if not capability[:1].isdigit() or float(capability) < 9:
            return f"{device.device_kind} has compute capability {capability}, not 9.0"
    module = pallas_module(name)
    return _differs(
        functools.partial(module.gather_rows, sharpness=0.5),
        functools.partial(scatter_rows, sharpness=0.5),
    ) or _differs(module.composite_rows, composite_rows)


def _differs(kernel: RowSplat, reference: RowSplat) -> str | None:
    """Returns the reason if `kernel` fails on a small picture, else None."""

    def largest_error() -> float:
        image, disparity = map(jnp.asarray, scene((2, 160), -9, 30))
        d = landing(disparity, published_border=False)
        result, expected = (
            jax.jit(functools.partial(rows, hard_mask=False))(image, d)
            for rows in (kernel, reference)
        )
        errors = jax.tree.map(lambda a, b: abs(a - b).max(), result[:2], expected[:2])
        return float(np.max(errors))

    # In a new thread, because JAX may be tracing in the caller's thread.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        try:
            error = thread.submit(largest_error).result()
        except Exception as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return None if error < 1e-5 else f"it differs from the reference by {error:.1g}"


def _instead(wanted: str | None, name: str, reason: str) -> Choice:
    if wanted:
        _log_once(f"{name} instead of {wanted}: {reason}")
    return Choice(name, reason)


@functools.cache
def _log_once(message: str) -> None:
    log.warning(message)


def default_platform() -> str:
    """Returns the platform of jax's default device: cpu, gpu or tpu."""
    device = jax.config.jax_default_device
    if device is None:
        return jax.default_backend()
    return device if isinstance(device, str) else device.platform

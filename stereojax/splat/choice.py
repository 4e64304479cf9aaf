"""Which implementation runs where, and why."""

import concurrent.futures
import dataclasses
import functools
import logging
import math

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.splat.implementations import PLATFORMS, WIDE, pallas_module
from stereojax.splat.reference import scatter_rows
from stereojax.splat.row_contract import RowSplat, landing
from stereojax.splat.workloads import scene
from stereojax.splat.xla_gather import MAX_SHARPNESS

log = logging.getLogger("stereojax.splat")
SMALL = 1 << 16  # sources; for fewer, the time to compile is all that counts


@dataclasses.dataclass(frozen=True)
class Choice:
    """An implementation's name, and the reason in words for the report."""

    implementation: str
    reason: str


def choose(
    shape: tuple[int, ...],
    sharpness: float = 0.5,
    *,
    wanted: str | None = None,
    platform: str | None = None,
) -> Choice:
    """What `forward_splat(..., implementation=wanted)` runs for an image of `shape`.

    `platform` is jax's name for where it will run; by default, the default device's.
    What cannot run here is replaced, and a warning in the log says why.
    """
    platform = platform or default_platform()
    if wanted == "xla_scatter":
        return Choice(wanted, "asked for")
    if sharpness > MAX_SHARPNESS:
        reason = f"sharpness {sharpness:g} is above the gathers' {MAX_SHARPNESS:g}"
        return _instead(wanted, "xla_scatter", reason)
    if wanted in PLATFORMS:
        return _pallas(wanted, shape, platform, "xla_gather", asked=True)
    if wanted:
        return Choice(wanted, "asked for")
    if platform == "gpu":
        return _pallas("pallas_gpu", shape, platform, "xla_scatter")
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
    """Why `name` cannot run; where its platform is not, only what can be told."""
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
    """Runs the kernel once, on a few pixels, beside the reference."""
    if name == "pallas_gpu":
        device = jax.local_devices()[0]
        capability = str(getattr(device, "compute_capability", "none"))
        if not capability[:1].isdigit() or float(capability) < 9:
            return f"{device.device_kind} has compute capability {capability}, not 9.0"
    return _differs(pallas_module(name).gather_rows)


def _differs(kernel: RowSplat) -> str | None:
    """Why `kernel` fails on a small picture, if it does."""

    def wrong() -> float:
        image, disparity = map(jnp.asarray, scene((2, 160), -9, 30))
        d = landing(disparity, published_border=False)
        ours, true = (
            jax.jit(functools.partial(rows, sharpness=0.5, hard_mask=False))(image, d)
            for rows in (kernel, scatter_rows)
        )
        errors = jax.tree.map(lambda a, b: abs(a - b).max(), ours[:2], true[:2])
        return float(np.max(errors))

    # The caller may be tracing; a thread of its own is not.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        try:
            error = thread.submit(wrong).result()
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
    """Where jax runs what is not placed by hand: cpu, gpu, tpu."""
    device = jax.config.jax_default_device
    if device is None:
        return jax.default_backend()
    return device if isinstance(device, str) else device.platform

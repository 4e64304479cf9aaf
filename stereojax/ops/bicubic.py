"""Bicubic resizing with A = -0.75, as torch and OpenCV's `INTER_CUBIC` have it.

`jax.image` has A = -0.5 and renormalises at the edges, so its results differ from both.
"""

import numpy as np

from stereojax.ops.taps import Taps, clamped

A = -0.75


def bicubic(
    size: int, out: int, *, scale: float | None = None, align_corners: bool = False
) -> Taps:
    """Returns taps at half-pixel positions, with repeated edges and no antialias.

    `scale` is torch's `scale_factor`: if given, positions follow it, even if `out /
    size` is another ratio. Without it the result is that of torch's
    `interpolate(size=...)` and `cv2.resize(interpolation=cv2.INTER_CUBIC)`. With
    `align_corners` the first and last samples stay in place, and positions are rounded
    to float32 as torch rounds them.
    """
    if align_corners:
        step = np.float32(size - 1) / np.float32(max(out - 1, 1))
        source = (np.arange(out, dtype=np.float32) * step).astype(np.float64)
    else:
        step = size / out if scale is None else 1 / scale
        source = (np.arange(out) + 0.5) * step - 0.5
    base = np.floor(source)
    t = source - base
    weight = np.stack([_outer(1 + t), _inner(t), _inner(1 - t), _outer(2 - t)], axis=1)
    return clamped(size, base.astype(np.int64) - 1, weight)


def _inner(d: np.ndarray) -> np.ndarray:
    """Evaluates the kernel at distances from 0 to 1."""
    return ((A + 2) * d - (A + 3)) * d * d + 1


def _outer(d: np.ndarray) -> np.ndarray:
    """Evaluates the kernel at distances from 1 to 2."""
    return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A

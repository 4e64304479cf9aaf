"""Bicubic resizing with A = -0.75: torch's, and OpenCV's `INTER_CUBIC`.

`jax.image` has A = -0.5 and renormalises at the edges, so it agrees with neither.
"""

import numpy as np

from stereojax.ops.taps import Taps, clamped

A = -0.75


def bicubic(
    size: int, out: int, *, scale: float | None = None, align_corners: bool = False
) -> Taps:
    """Half-pixel positions, edges repeated, no antialias.

    `scale` is torch's `scale_factor`, which sets the positions where it is given, even
    if `out / size` is another ratio. Without it this is torch's `interpolate(size=...)`
    and `cv2.resize(interpolation=cv2.INTER_CUBIC)`. With `align_corners` the first and
    last samples stay in place; positions are then rounded to float32 as torch does.
    """
    if align_corners:
        between = np.float32(size - 1) / np.float32(max(out - 1, 1))
        source = (np.arange(out, dtype=np.float32) * between).astype(np.float64)
    else:
        step = size / out if scale is None else 1 / scale
        source = (np.arange(out) + 0.5) * step - 0.5
    base = np.floor(source)
    t = source - base
    weight = np.stack([_outer(1 + t), _inner(t), _inner(1 - t), _outer(2 - t)], axis=1)
    return clamped(size, base.astype(np.int64) - 1, weight)


def _inner(d: np.ndarray) -> np.ndarray:
    """The kernel at distances 0 to 1."""
    return ((A + 2) * d - (A + 3)) * d * d + 1


def _outer(d: np.ndarray) -> np.ndarray:
    """The kernel at distances 1 to 2."""
    return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A

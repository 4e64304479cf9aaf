"""Bilinear resizing with torch's results; `jax.image` has no `align_corners`."""

import numpy as np

from stereojax.ops.taps import Taps, clamped


def bilinear(size: int, out: int, *, align_corners: bool) -> Taps:
    """Returns the taps of torch's `interpolate(mode="bilinear")`, without antialias.

    With `align_corners` the first and last samples stay in place; without, the outer
    edges of the picture do. Positions are rounded to float32 as torch rounds them.
    """
    position = np.arange(out, dtype=np.float64)
    if align_corners:
        step = np.float32(size - 1) / np.float32(max(out - 1, 1))
        source = position * step
    else:
        # Product and sum are rounded once: torch uses a fused multiply-add.
        step = np.float32(size) / np.float32(out)
        source = np.maximum((position + 0.5) * step - 0.5, 0)
    source = source.astype(np.float32)
    first = np.minimum(source.astype(np.int64), size - 1)
    fraction = (source - first.astype(np.float32)).astype(np.float64)
    return clamped(size, first, np.stack([1 - fraction, fraction], axis=1))

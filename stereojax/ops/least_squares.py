"""Least-squares fit of a scale and a shift between two arrays."""

import numpy as np

from stereojax.shapes import Bool, Float


def scale_and_shift(
    values: Float[np.ndarray, "*s"],
    target: Float[np.ndarray, "*s"],
    mask: Bool[np.ndarray, "*s"] | None = None,
) -> tuple[float, float]:
    """Returns (a, b) that minimise the squares of `a * values + b - target`.

    Only values where `mask` is true count. Computed in float64 about the means: sums of
    the raw values of many pixels would lose the digits that separate scale from shift.
    If all values are equal, the scale is 1.
    """
    x, y = (a.astype(np.float64).reshape(-1) for a in (values, target))
    if mask is not None:
        x, y = x[mask.reshape(-1)], y[mask.reshape(-1)]
    if not x.size:
        return 1.0, 0.0
    mean = x.mean()
    x -= mean
    spread = float(x @ x)
    scale = float(x @ (y - y.mean())) / spread if spread > 0 else 1.0
    return scale, float(y.mean() - scale * mean)

"""The scale and the shift that bring one set of numbers closest to another."""

import numpy as np

from stereojax.shapes import Bool, Float


def scale_and_shift(
    values: Float[np.ndarray, "*s"],
    target: Float[np.ndarray, "*s"],
    mask: Bool[np.ndarray, "*s"] | None = None,
) -> tuple[float, float]:
    """(a, b) of the least squares of `a * values + b - target`, over the mask.

    In float64 and about the means: with the bare sums of many pixels, what tells scale
    from shift is lost in the digits. Values that are all equal keep their scale, 1.
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

"""Least-squares fit of a scale and a shift between two arrays."""

import numpy as np

from stereojax.shapes import Bool, Float


def scale_and_shift(
    values: Float[np.ndarray, "*s"],
    target: Float[np.ndarray, "*s"],
    mask: Bool[np.ndarray, "*s"] | None = None,
) -> tuple[float, float]:
    """Returns (scale, shift) that minimise the sum of squares of the residual.

    The residual is `scale * values + shift - target`, where `mask` is True. Values are
    centred first, in float64, because the normal equations of many uncentred values are
    ill-conditioned. If all values are equal, the scale is 1. If `mask` is False
    everywhere, the result is (1, 0).
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

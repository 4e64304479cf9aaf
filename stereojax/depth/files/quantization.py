"""Quantizes float depth to uint16 codes over a given range, and back.

Code 0 marks pixels without depth: NaN or infinite values become 0, and 0 becomes NaN.
Codes 1 to 65535 span [low, high] evenly; both ends come back exactly. Dequantized
values quantize to the same codes again, so a depth file can be rewritten without loss.
"""

import numpy as np

from stereojax.shapes import Float, Shaped

INVALID = 0
STEPS = 65534  # between code 1 and code 65535


def value_range(depth: Float[np.ndarray, "*b"]) -> tuple[float, float]:
    """Returns the least and the largest finite value; (0, 0) if there is none."""
    finite = depth[np.isfinite(depth)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def quantize(
    depth: Float[np.ndarray, "*b"], low: float, high: float
) -> Shaped[np.ndarray, "*b"]:
    """Returns the uint16 codes of `depth` in [low, high]; 0 where it is not finite."""
    finite = np.isfinite(depth)
    # float64: float32 has too few digits for 65534 steps of a range far from zero.
    unit = np.where(finite, depth, low).astype(np.float64) - low
    if high > low:
        unit /= high - low
    codes = np.rint(np.clip(unit, 0, 1) * STEPS) + 1
    return np.where(finite, codes, INVALID).astype(np.uint16)


def dequantize(
    codes: Shaped[np.ndarray, "*b"], low: float, high: float
) -> Float[np.ndarray, "*b"]:
    """Returns the float32 depth of uint16 codes; NaN where the code is 0."""
    unit = (codes.astype(np.float64) - 1) / STEPS
    depth = low * (1 - unit) + high * unit
    return np.where(codes == INVALID, np.nan, depth).astype(np.float32)

"""Float depth as 16-bit codes of a known range, and back: exact to repeat.

Code 0 says that there is no depth here (NaN or infinite in, NaN out). Codes 1 to 65535
span [low, high] evenly; both ends come back exactly. What was decoded encodes to the
same codes again, so a depth file can be rewritten without loss.
"""

import numpy as np

from stereojax.shapes import Float, Shaped

INVALID = 0
STEPS = 65534  # between code 1 and code 65535


def value_range(depth: Float[np.ndarray, "*b"]) -> tuple[float, float]:
    """The least and the largest finite value; (0, 0) where there is none."""
    finite = depth[np.isfinite(depth)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def encode(
    depth: Float[np.ndarray, "*b"], low: float, high: float
) -> Shaped[np.ndarray, "*b"]:
    """uint16 codes of `depth` in [low, high]; 0 where it is not finite."""
    finite = np.isfinite(depth)
    # float64: float32 has too few digits for 65534 steps of a range far from zero.
    unit = np.where(finite, depth, low).astype(np.float64) - low
    if high > low:
        unit /= high - low
    codes = np.rint(np.clip(unit, 0, 1) * STEPS) + 1
    return np.where(finite, codes, INVALID).astype(np.uint16)


def decode(
    codes: Shaped[np.ndarray, "*b"], low: float, high: float
) -> Float[np.ndarray, "*b"]:
    """float32 depth of uint16 codes; NaN where there is none."""
    unit = (codes.astype(np.float64) - 1) / STEPS
    depth = low * (1 - unit) + high * unit
    return np.where(codes == INVALID, np.nan, depth).astype(np.float32)

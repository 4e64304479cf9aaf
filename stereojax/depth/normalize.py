"""Normalises depth to [0, 1] by a shot's robust range; scales it to disparity.

One range per shot, so that depth does not pump within it; percentiles instead of
extremes, so that a few near particles do not rescale the rest.
"""

from collections.abc import Iterable, Sequence

import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Bool, Float, Shaped

# Bins are the leading bits of a float32: sign, exponent and the first 13 bits of the
# mantissa. So no range is needed in advance, and a bin is at most 1/8192 of its value
# wide.
DROPPED_BITS = 10
BINS = 1 << (32 - DROPPED_BITS)


class RangeStatistics:
    """Computes percentiles of a stream of depth frames, in one pass and fixed memory.

    The counts, and so the percentiles, do not depend on the order of the frames or on
    their split into segments.
    """

    def __init__(self):
        self._counts = np.zeros(BINS, np.int64)
        self._least, self._largest = np.inf, -np.inf

    def add(
        self,
        depth: Float[np.ndarray, "*b"],
        mask: Bool[np.ndarray, "*b"] | None = None,
    ) -> None:
        """Counts the finite values where `mask` is true, such as outside black bars."""
        valid = np.isfinite(depth) if mask is None else np.isfinite(depth) & mask
        values = depth[valid].astype(np.float32, copy=False)
        if not values.size:
            return
        bins = _bin(values)
        first = int(bins.min())
        counts = np.bincount(bins - first)
        self._counts[first : first + len(counts)] += counts
        self._least = min(self._least, float(values.min()))
        self._largest = max(self._largest, float(values.max()))

    def percentiles(self, percents: Sequence[float]) -> tuple[float, ...]:
        """Returns the percentiles, within 1/8192; 0 if no value was counted."""
        used = np.flatnonzero(self._counts)
        if not used.size:
            return tuple(0.0 for _ in percents)
        counts = self._counts[used]
        ends = np.cumsum(counts)
        values = []
        for percent in percents:
            rank = ends[-1] * percent / 100
            i = min(int(np.searchsorted(ends, rank)), len(used) - 1)
            part = np.clip((rank - (ends[i] - counts[i])) / counts[i], 0, 1)
            low, high = _edge(used[i]), _edge(used[i] + 1)
            value = low + (high - low) * part
            values.append(float(np.clip(value, self._least, self._largest)))
        return tuple(values)


def shot_range(
    frames: Iterable[Float[np.ndarray, "h w"]], *, low: float = 1.0, high: float = 99.0
) -> tuple[float, float]:
    """Returns (far, near): the `low` and `high` percentiles of one shot's depth."""
    statistics = RangeStatistics()
    for frame in frames:
        statistics.add(frame)
    far, near = statistics.percentiles((low, high))
    return far, near


def _bin(values: Float[np.ndarray, "n"]) -> Shaped[np.ndarray, "n"]:
    bits = (values + np.float32(0)).view(np.uint32)  # -0 counts as 0
    # Order the bits as the values: flip all bits of negative floats, whose magnitude
    # grows downwards; set the sign bit of positive floats, to sort them above.
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> DROPPED_BITS).astype(np.int64)


def _edge(index: int | np.integer) -> float:
    """Returns the least value of a bin."""
    ordered = np.uint32(min(int(index) << DROPPED_BITS, 0xFF800000))  # up to inf
    positive = ordered >> 31
    bits = ordered ^ np.uint32(1 << 31) if positive else ~ordered
    return float(np.array(bits, np.uint32).view(np.float32))


def normalize(
    depth: Float[Array | np.ndarray, "*b h w"],
    low: Float[Array, ""] | float,
    high: Float[Array, ""] | float,
    *,
    flat: Float[Array, ""] | float = 0.5,
) -> Float[Array, "*b h w"]:
    """Scales relative inverse depth to [0, 1] and clips it: 1 = nearest.

    Pixels without depth (NaN) go to the far plane, 0: the left view has a colour there,
    and a wrong position in the background is less visible than a hole.

    Args:
      depth: any scale, larger = nearer.
      low, high: the shot's range, as `shot_range` returns it.
      flat: result for a shot without a depth range; the convergence puts it on the
        screen plane.
    """
    depth = jnp.asarray(depth, jnp.float32)
    low, high = jnp.float32(low), jnp.float32(high)
    span = high - low
    # A range below float32's resolution counts as none: dividing by it gives noise.
    has_range = span > 1e-6 * jnp.maximum(jnp.abs(low), jnp.abs(high))
    unit = jnp.clip((depth - low) / jnp.where(has_range, span, 1), 0, 1)
    return jnp.where(has_range, jnp.nan_to_num(unit, nan=0.0), jnp.float32(flat))


def to_disparity(
    depth: Float[Array | np.ndarray, "*b h w"],
    *,
    divergence: Float[Array, ""] | float,
    convergence: Float[Array, ""] | float,
    width: int,
) -> Float[Array, "*b h w"]:
    """Returns the disparity of normalised depth, in pixels; positive = in front.

    Args:
      depth: in [0, 1], 1 = nearest.
      divergence: total range from near to far, in % of the width.
      convergence: depth of the screen plane.
      width: of the picture, in pixels.
    """
    return (jnp.asarray(depth) - convergence) * (divergence / 100 * width)

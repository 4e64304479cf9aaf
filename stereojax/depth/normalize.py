"""Depth of any scale to [0, 1] by a shot's robust range, and that to disparity.

One range for a whole shot, so nothing pumps inside it; percentiles and not extremes, so
a few near particles do not rescale the rest.
"""

from collections.abc import Iterable, Sequence

import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Bool, Float, Shaped

# Bins follow the bits of a float32: sign, exponent and the first 13 bits of the
# mantissa, so they need no range in advance and are 1/8192 of a value wide at most.
DROPPED_BITS = 10
BINS = 1 << (32 - DROPPED_BITS)


class RangeStatistics:
    """Percentiles of a stream of depth frames, in one pass and fixed memory.

    The counts do not depend on the order of the frames or on how they were cut into
    segments, so neither do the percentiles.
    """

    def __init__(self):
        self._counts = np.zeros(BINS, np.int64)
        self._least, self._largest = np.inf, -np.inf

    def add(
        self,
        depth: Float[np.ndarray, "*b"],
        mask: Bool[np.ndarray, "*b"] | None = None,
    ) -> None:
        """Counts the finite values, where `mask` (say, without bars) is true."""
        chosen = np.isfinite(depth) if mask is None else np.isfinite(depth) & mask
        values = depth[chosen].astype(np.float32, copy=False)
        if not values.size:
            return
        bins = _bin(values)
        first = int(bins.min())
        counts = np.bincount(bins - first)
        self._counts[first : first + len(counts)] += counts
        self._least = min(self._least, float(values.min()))
        self._largest = max(self._largest, float(values.max()))

    def percentiles(self, percents: Sequence[float]) -> tuple[float, ...]:
        """Values below which `percents` % lie, within 1/8192; 0 where nothing came."""
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
    """(far, near): the `low` and `high` percentiles of one shot's depth."""
    statistics = RangeStatistics()
    for frame in frames:
        statistics.add(frame)
    far, near = statistics.percentiles((low, high))
    return far, near


def _bin(values: Float[np.ndarray, "n"]) -> Shaped[np.ndarray, "n"]:
    bits = (values + np.float32(0)).view(np.uint32)  # -0 counts as 0
    # Negative floats grow downwards: flip them all; positive ones go above.
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> DROPPED_BITS).astype(np.int64)


def _edge(index: int | np.integer) -> float:
    """The least value of a bin."""
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
    """Relative inverse depth to [0, 1], clipped: 1 = nearest.

    Pixels without depth (NaN) go to the far plane, 0: the left view shows something
    there, and a wrong place behind the rest is less odd than a hole.

    Args:
      depth: any scale, larger = nearer.
      low, high: the shot's range, as `shot_range` gives it.
      flat: where a shot without any depth range lies; the convergence puts it on the
        screen.
    """
    depth = jnp.asarray(depth, jnp.float32)
    low, high = jnp.float32(low), jnp.float32(high)
    span = high - low
    # Less than float32 tells apart is no range, and dividing by it makes noise.
    some = span > 1e-6 * jnp.maximum(jnp.abs(low), jnp.abs(high))
    unit = jnp.clip((depth - low) / jnp.where(some, span, 1), 0, 1)
    return jnp.where(some, jnp.nan_to_num(unit, nan=0.0), jnp.float32(flat))


def to_disparity(
    depth: Float[Array | np.ndarray, "*b h w"],
    *,
    divergence: Float[Array, ""] | float,
    convergence: Float[Array, ""] | float,
    width: int,
) -> Float[Array, "*b h w"]:
    """Normalised depth to disparity in pixels at `width`; positive = in front.

    Args:
      depth: in [0, 1], 1 = nearest.
      divergence: total range from near to far, in % of the width.
      convergence: the depth that lies on the screen.
    """
    return (jnp.asarray(depth) - convergence) * (divergence / 100 * width)

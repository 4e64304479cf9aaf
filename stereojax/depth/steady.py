"""The breathing of depth that was estimated frame by frame, and what undoes it.

Each frame of such depth has a scale and a shift of its own, which wander a little from
frame to frame: the picture seems to breathe. Neighbouring frames show nearly the same
scene, so how scale and shift go from one to the next can be told. What of it is quick
is taken out; what goes on for a while, such as a dolly or a zoom, stays. Nothing is
compared over more than a few dozen frames, so nothing drifts.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from stereojax.shapes import Float

ROWS, COLUMNS = 36, 64  # of the reduced frames that are compared
ITERATIONS = 8
LIKENESS = 0.5  # correlation below which two frames have nothing to tell


def steps(
    frames: Iterable[Float[np.ndarray, "h w"]],
) -> Float[np.ndarray, "t 2"]:
    """(scale, shift) from each frame of a shot to the next: a * before + b.

    The first is (1, 0). Holds one reduced frame. Not finite means no depth.
    """
    found, before = [], None
    for frame in frames:
        now = _reduced(frame)
        found.append((1.0, 0.0) if before is None else _step(before, now))
        before = now
    return np.array(found, np.float64).reshape(-1, 2)


def steadying(
    steps: Float[np.ndarray, "t 2"], reach: float
) -> Float[np.ndarray, "t 2"]:
    """(scale, shift) for each frame that evens its scale out over its neighbours.

    Args:
      steps: as `steps` gives them.
      reach: frames; the standard deviation of the Gaussian window. 0 = off.
    """
    count = len(steps)
    corrections = np.tile([1.0, 0.0], (count, 1))
    if reach <= 0 or count < 3:
        return corrections
    offsets = range(-int(np.ceil(3 * reach)), int(np.ceil(3 * reach)) + 1)
    weights = _local_linear(count, np.array(offsets), reach)
    total = weights[:, offsets.index(0), None] * corrections
    for direction in (1, -1):
        # From the values of frame i to those of frame i + offset, for all i at once.
        scale, shift = np.ones(count), np.zeros(count)
        for offset in range(direction, direction * len(offsets), direction):
            if offset not in offsets or abs(offset) >= count:
                break
            there = np.clip(np.arange(count) + offset, 0, count - 1)
            if direction > 0:
                a, b = steps[there].T
                scale, shift = a * scale, a * shift + b
            else:
                a, b = steps[np.clip(there + 1, 0, count - 1)].T
                scale, shift = scale / a, (shift - b) / a
            weight = weights[:, offsets.index(offset)]
            total += weight[:, None] * np.stack([scale, shift], axis=1)
    good = np.isfinite(total).all(axis=1) & (total[:, 0] > 0)
    return np.where(good[:, None], total, corrections)


def apply_corrections(
    frames: Iterable[Float[np.ndarray, "h w"]], corrections: Float[np.ndarray, "t 2"]
) -> Iterator[Float[np.ndarray, "h w"]]:
    """Yields scale * frame + shift in float32; `corrections` as `steadying` returns."""
    for frame, (scale, shift) in zip(
        frames, corrections.astype(np.float32), strict=True
    ):
        yield frame * scale + shift


def _local_linear(
    count: int, offsets: np.ndarray, reach: float
) -> Float[np.ndarray, "t k"]:
    """Weights of the neighbours that leave a steady trend as it is, also at the ends.

    Those of a straight line that is fitted under the window.
    """
    there = np.arange(count)[:, None] + offsets
    kernel = np.exp(-0.5 * (offsets / reach) ** 2) * ((there >= 0) & (there < count))
    zeroth, first, second = (
        (kernel * offsets**power).sum(axis=1, keepdims=True) for power in range(3)
    )
    weights = kernel * (second - first * offsets)
    return weights / (zeroth * second - first**2)


def _reduced(frame: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "rows columns"]:
    """Means of blocks; NaN where a block has a pixel without depth."""
    height, width = frame.shape
    rows, columns = max(1, height // ROWS), max(1, width // COLUMNS)
    h, w = height // rows * rows, width // columns * columns
    blocks = frame[:h, :w].astype(np.float64)
    blocks = blocks.reshape(h // rows, rows, w // columns, columns)
    return blocks.mean(axis=(1, 3))


def _step(before: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """Scale and shift between two frames by what most of their pixels say.

    The scale is the ratio of spreads, which noise in both leaves alone; least squares
    would find it too small. What moved is far from the line, and counts ever less.
    """
    known = np.isfinite(before) & np.isfinite(now)
    x, y = before[known], now[known]
    weight = np.ones(len(x))
    scale, shift = 1.0, 0.0
    for _ in range(ITERATIONS):
        total = weight.sum()
        if total <= 0:
            return 1.0, 0.0
        mean_x, mean_y = (weight @ x) / total, (weight @ y) / total
        dx, dy = x - mean_x, y - mean_y
        spread_x, spread_y = weight @ dx**2, weight @ dy**2
        likeness = weight @ (dx * dy)
        if likeness <= LIKENESS * np.sqrt(spread_x * spread_y):
            return 1.0, 0.0  # flat, or another picture
        scale = float(np.sqrt(spread_y / spread_x))
        shift = float(mean_y - scale * mean_x)
        residual = np.abs(y - scale * x - shift)
        middle = np.median(residual)
        if middle <= 1e-12 * np.sqrt(spread_y / total):
            break  # all on the line
        weight = 1 / (1 + (residual / (2 * middle)) ** 2) ** 2
    return scale, shift

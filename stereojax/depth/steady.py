"""Removes frame-to-frame changes of scale and shift from per-frame depth.

Depth that is estimated frame by frame has a scale and a shift per frame, which change a
little from frame to frame: the picture flickers. Neighbouring frames show nearly the
same scene, so the change of scale and shift between them can be estimated. Fast changes
are removed; slow changes, such as those of a dolly or a zoom, stay. Frames are compared
over a few dozen frames at most, so errors do not accumulate to a drift.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from stereojax.shapes import Float

ROWS, COLUMNS = 36, 64  # size of the reduced frames that are compared
ITERATIONS = 8
MIN_CORRELATION = 0.5  # frames with less correlation are not compared


def estimate_changes(
    frames: Iterable[Float[np.ndarray, "h w"]],
) -> Float[np.ndarray, "t 2"]:
    """Returns (scale, shift) from the previous frame of a shot to each frame.

    frame = scale * previous + shift. The first is (1, 0). Memory holds one reduced
    frame. Values that are not finite mean no depth.
    """
    changes, previous = [], None
    for frame in frames:
        current = _reduced(frame)
        change = (1.0, 0.0) if previous is None else _change(previous, current)
        changes.append(change)
        previous = current
    return np.array(changes, np.float64).reshape(-1, 2)


def steady_corrections(
    changes: Float[np.ndarray, "t 2"], reach: float
) -> Float[np.ndarray, "t 2"]:
    """Returns (scale, shift) for each frame that averages its scale with neighbours.

    Args:
      changes: result of `estimate_changes`.
      reach: standard deviation of the Gaussian window, in frames. 0 = off.
    """
    count = len(changes)
    corrections = np.tile([1.0, 0.0], (count, 1))
    if reach <= 0 or count < 3:
        return corrections
    offsets = range(-int(np.ceil(3 * reach)), int(np.ceil(3 * reach)) + 1)
    weights = _local_linear_weights(count, np.array(offsets), reach)
    total = weights[:, offsets.index(0), None] * corrections
    for direction in (1, -1):
        # Chains the changes: (scale, shift) from frame i to frame i + offset, for all i
        # at once.
        scale, shift = np.ones(count), np.zeros(count)
        for offset in range(direction, direction * len(offsets), direction):
            if offset not in offsets or abs(offset) >= count:
                break
            neighbour = np.clip(np.arange(count) + offset, 0, count - 1)
            if direction > 0:
                a, b = changes[neighbour].T
                scale, shift = a * scale, a * shift + b
            else:
                a, b = changes[np.clip(neighbour + 1, 0, count - 1)].T
                scale, shift = scale / a, (shift - b) / a
            weight = weights[:, offsets.index(offset)]
            total += weight[:, None] * np.stack([scale, shift], axis=1)
    valid = np.isfinite(total).all(axis=1) & (total[:, 0] > 0)
    return np.where(valid[:, None], total, corrections)


def apply_corrections(
    frames: Iterable[Float[np.ndarray, "h w"]], corrections: Float[np.ndarray, "t 2"]
) -> Iterator[Float[np.ndarray, "h w"]]:
    """Yields scale * frame + shift in float32, with `steady_corrections`' result."""
    for frame, (scale, shift) in zip(
        frames, corrections.astype(np.float32), strict=True
    ):
        yield frame * scale + shift


def _local_linear_weights(
    count: int, offsets: np.ndarray, reach: float
) -> Float[np.ndarray, "t k"]:
    """Returns the neighbours' weights of a local linear fit under a Gaussian window.

    They preserve a linear trend, also at both ends of the shot.
    """
    neighbours = np.arange(count)[:, None] + offsets
    inside = (neighbours >= 0) & (neighbours < count)
    kernel = np.exp(-0.5 * (offsets / reach) ** 2) * inside
    zeroth, first, second = (
        (kernel * offsets**power).sum(axis=1, keepdims=True) for power in range(3)
    )
    weights = kernel * (second - first * offsets)
    return weights / (zeroth * second - first**2)


def _reduced(frame: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "rows columns"]:
    """Returns means of blocks; NaN where a block has a pixel without depth."""
    height, width = frame.shape
    rows, columns = max(1, height // ROWS), max(1, width // COLUMNS)
    h, w = height // rows * rows, width // columns * columns
    blocks = frame[:h, :w].astype(np.float64)
    blocks = blocks.reshape(h // rows, rows, w // columns, columns)
    return blocks.mean(axis=(1, 3))


def _change(previous: np.ndarray, current: np.ndarray) -> tuple[float, float]:
    """Returns a robust estimate of scale and shift between two frames.

    The scale is the ratio of the standard deviations: noise in both frames does not
    bias it, while least squares would give too small a scale. Pixels that moved are far
    from the line, and are weighted down in each iteration.
    """
    valid = np.isfinite(previous) & np.isfinite(current)
    x, y = previous[valid], current[valid]
    weight = np.ones(len(x))
    scale, shift = 1.0, 0.0
    for _ in range(ITERATIONS):
        total = weight.sum()
        if total <= 0:
            return 1.0, 0.0
        mean_x, mean_y = (weight @ x) / total, (weight @ y) / total
        dx, dy = x - mean_x, y - mean_y
        spread_x, spread_y = weight @ dx**2, weight @ dy**2
        covariance = weight @ (dx * dy)
        if covariance <= MIN_CORRELATION * np.sqrt(spread_x * spread_y):
            return 1.0, 0.0  # flat, or another scene
        scale = float(np.sqrt(spread_y / spread_x))
        shift = float(mean_y - scale * mean_x)
        residual = np.abs(y - scale * x - shift)
        median = np.median(residual)
        if median <= 1e-12 * np.sqrt(spread_y / total):
            break  # an exact fit
        weight = 1 / (1 + (residual / (2 * median)) ** 2) ** 2
    return scale, shift

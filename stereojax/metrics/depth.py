"""Accuracy and steadiness of a clip's relative depth, against the true depth.

Follows the protocol of DepthCrafter and Video Depth Anything: one scale and one shift
for the whole clip, by least squares in inverse depth; then errors in depth. The frames
are read one at a time, in several passes; two are held in memory.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from stereojax.shapes import Bool, Float

Frame = Float[np.ndarray, "h w"]
# Each call returns a new iterator over the (estimate, truth) of all frames.
Pairs = Callable[[], Iterator[tuple[Frame, Frame]]]

FAR = 100.0  # points that many times farther than the nearest one are not scored
DELTA = 1.25  # factor within which a depth counts as right


@dataclasses.dataclass(frozen=True)
class DepthScores:
    """Scores of one clip."""

    frames: int  # number of frames with an estimate and a truth
    abs_rel: float  # mean of |depth - true depth| / true depth; smaller is better
    delta1: float  # share of pixels whose depth is within a factor of 1.25 of the truth
    flicker: float  # mean |error of the change between frames|, % of the true range
    breathing: float  # mean |median error of that change|: common to all pixels, %
    scale: float  # true inverse depth = scale * estimate + shift
    shift: float


def depth_scores(pairs: Pairs) -> DepthScores:
    """Returns the scores of a clip.

    Flicker needs no optical flow: the truth's own change from frame to frame, motion
    included, is subtracted from the estimate's; both in inverse depth.

    Args:
      pairs: returns pairs of relative inverse depth, at any scale, and true inverse
        depth, where 0 = infinitely far and a non-finite value = unknown.

    Raises:
      ValueError: no frame has true depth, or no pixel has both.
    """
    nearest, frames = 0.0, 0
    for _, truth in pairs():
        known = truth[np.isfinite(truth)]
        nearest = max(nearest, float(known.max(initial=0.0)))
        frames += 1
    if not nearest > 0:
        raise ValueError("no frame with true depth")
    least = nearest / FAR
    scale, shift, spread = _line(pairs, least)
    relative, right, flicker, breathing = [], [], [], []
    before = None
    for estimate, truth in pairs():
        aligned = scale * estimate.astype(np.float64) + shift
        good = _counts(estimate, truth, least)
        if good.any():
            ratio = truth[good] / np.maximum(aligned[good], least)
            relative.append(np.abs(ratio - 1).mean())
            right.append((np.maximum(ratio, 1 / ratio) < DELTA).mean())
        error = np.where(good, aligned - truth, np.nan)
        if before is not None:
            change = error - before
            change = change[np.isfinite(change)]
            if change.size:
                flicker.append(np.abs(change).mean())
                breathing.append(abs(np.median(change)))
        before = error
    percent = 100 / spread if spread > 0 else 0.0
    return DepthScores(
        frames,
        float(np.mean(relative)),
        float(np.mean(right)),
        float(np.mean(flicker)) * percent if flicker else 0.0,
        float(np.mean(breathing)) * percent if breathing else 0.0,
        scale,
        shift,
    )


def _counts(estimate: Frame, truth: Frame, least: float) -> Bool[np.ndarray, "h w"]:
    """Returns the pixels that are scored."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(estimate) & np.isfinite(truth) & (truth >= least)


def _line(pairs: Pairs, least: float) -> tuple[float, float, float]:
    """Returns the scale and shift of all frames together, and the truth's range.

    Accumulates moments about the means, frame by frame: plain sums of squares over a
    long clip would lose precision.
    """
    count, mean = 0, np.zeros(2)
    moments = np.zeros((2, 2))
    low, high = np.inf, -np.inf
    for estimate, truth in pairs():
        good = _counts(estimate, truth, least)
        values = np.stack([estimate[good], truth[good]]).astype(np.float64)
        size = values.shape[1]
        if not size:
            continue
        frame_mean = values.mean(axis=1)
        difference = frame_mean - mean
        moments += (values - frame_mean[:, None]) @ (values - frame_mean[:, None]).T
        moments += np.outer(difference, difference) * count * size / (count + size)
        mean += difference * size / (count + size)
        count += size
        low, high = min(low, values[1].min()), max(high, values[1].max())
    if not count:
        raise ValueError("no pixel has both an estimated and a true depth")
    scale = moments[0, 1] / moments[0, 0] if moments[0, 0] > 0 else 0.0
    return float(scale), float(mean[1] - scale * mean[0]), float(high - low)

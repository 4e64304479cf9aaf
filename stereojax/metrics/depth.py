"""How good relative depth of a clip is, and how steady, beside the true depth.

As DepthCrafter and Video Depth Anything measure it: one scale and one shift for the
whole clip, by least squares in inverse depth; then errors in depth. Frames come one by
one and several times over; two of them are held.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from stereojax.shapes import Bool, Float

Frame = Float[np.ndarray, "h w"]
# (estimate, truth) of each frame, from the first on, at every call.
Pairs = Callable[[], Iterator[tuple[Frame, Frame]]]

FAR = 100.0  # what is so many times farther than the nearest point does not count
DELTA = 1.25


@dataclasses.dataclass(frozen=True)
class DepthScores:
    """Of one clip."""

    frames: int
    abs_rel: float  # mean of |depth - true depth| / true depth; less is better
    delta1: float  # share of pixels whose depth is right within a factor of 1.25
    flicker: float  # mean error of the change between frames, in % of the true range
    breathing: float  # the same of each pair's median error: what all pixels share
    scale: float  # true inverse depth = scale * estimate + shift
    shift: float


def depth_scores(pairs: Pairs) -> DepthScores:
    """Scores of a clip.

    Flicker needs no optical flow: the truth's own change from frame to frame is
    subtracted, and with it all motion; both in inverse depth.

    Args:
      pairs: relative inverse depth of any scale; and true inverse depth, 0 = infinitely
        far, not finite = not known.

    Raises:
      ValueError: there is nothing to compare.
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
    with np.errstate(invalid="ignore"):
        return np.isfinite(estimate) & np.isfinite(truth) & (truth >= least)


def _line(pairs: Pairs, least: float) -> tuple[float, float, float]:
    """Scale and shift of all frames together, and the range of the truth.

    Moments about the means, one frame merged after the other: sums of squares of a long
    clip would lose their digits.
    """
    count, mean = 0, np.zeros(2)
    moments = np.zeros((2, 2))
    low, high = np.inf, -np.inf
    for estimate, truth in pairs():
        good = _counts(estimate, truth, least)
        both = np.stack([estimate[good], truth[good]]).astype(np.float64)
        size = both.shape[1]
        if not size:
            continue
        own = both.mean(axis=1)
        away = own - mean
        moments += (both - own[:, None]) @ (both - own[:, None]).T
        moments += np.outer(away, away) * count * size / (count + size)
        mean += away * size / (count + size)
        count += size
        low, high = min(low, both[1].min()), max(high, both[1].max())
    if not count:
        raise ValueError("no pixel with depth in both")
    scale = moments[0, 1] / moments[0, 0] if moments[0, 0] > 0 else 0.0
    return float(scale), float(mean[1] - scale * mean[0]), float(high - low)

"""Statistics of viewing comfort: disparity in % of the width, and the share of holes.

They are stored with each rendered segment, so the report reads no frame again.
"""

import dataclasses
from typing import Any

import numpy as np

from stereojax.stage_types import is_hole

# Percent of the picture's width; values outside count in the outer bins.
_LOW, _HIGH, _BINS = -25.0, 25.0, 5000
_CENTERS = _LOW + (np.arange(_BINS) + 0.5) * (_HIGH - _LOW) / _BINS
PERCENTILES = (1, 5, 50, 95, 99)


@dataclasses.dataclass
class Statistics:
    """A histogram of disparity and sums over frames; `a + b` joins two."""

    frames: int = 0
    hole_share: float = 0.0  # summed over frames
    counts: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros(_BINS, np.int64)
    )

    def add(self, disparity: np.ndarray, occlusion: np.ndarray) -> None:
        """Adds the (t, h, w) disparity in pixels and occlusion of some frames."""
        percent = disparity[:, ::4, ::4] * (100 / disparity.shape[-1])
        scaled = (percent[np.isfinite(percent)] - _LOW) * (_BINS / (_HIGH - _LOW))
        bins = np.clip(scaled, 0, _BINS - 1).astype(np.int64)
        self.counts += np.bincount(bins, minlength=_BINS)
        self.hole_share += float(np.sum(np.mean(is_hole(occlusion), axis=(1, 2))))
        self.frames += len(disparity)

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.frames + other.frames,
            self.hole_share + other.hole_share,
            self.counts + other.counts,
        )

    def to_json(self) -> dict[str, Any]:
        (filled,) = np.nonzero(self.counts)
        return {
            "frames": self.frames,
            "hole_share": self.hole_share,
            "counts": [[int(i), int(self.counts[i])] for i in filled],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Statistics":
        counts = np.zeros(_BINS, np.int64)
        for i, n in content["counts"]:
            counts[i] = n
        return cls(content["frames"], content["hole_share"], counts)

    def percentiles(self) -> dict[str, float]:
        """Returns disparity percentiles in % of width; positive = before the screen."""
        total = np.cumsum(self.counts)
        if not total[-1]:
            return {}
        bins = np.searchsorted(total, np.array(PERCENTILES) / 100 * total[-1])
        return {
            f"p{p}": round(float(_CENTERS[min(i, _BINS - 1)]), 3)
            for p, i in zip(PERCENTILES, bins, strict=True)
        }

    def summary(self) -> dict[str, Any]:
        """Returns the entries of a shot in the report."""
        return {
            "disparity_percent_of_width": self.percentiles(),
            "hole_percent": round(100 * self.hole_share / max(self.frames, 1), 3),
        }


def comfort(percentiles: dict[str, float]) -> list[str]:
    """Warns of disparity that tires viewers, by BSkyB's limits for broadcasts.

    A range of 3 % of the width; 1 % in front of the screen and 2 % behind it, with
    short excursions to 2.5 and 4 %.
    """
    if not percentiles:
        return []
    behind, front = -percentiles["p1"], percentiles["p99"]
    warnings = []
    if front + behind > 3.05:
        warnings.append(f"depth range {front + behind:.1f} % of width, above 3 %")
    if front > 2.5:
        warnings.append(f"{front:.1f} % in front of the screen; above 2.5 % tires")
    if behind > 4.0:
        warnings.append(f"{behind:.1f} % behind the screen; above 4 % eyes diverge")
    return warnings

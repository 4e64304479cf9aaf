"""What a viewer will feel: disparity in % of the width, and the share of holes.

Each rendered segment leaves its own numbers, so a report needs no second look.
"""

import dataclasses
from typing import Any

import numpy as np

from stereojax.stage_types import is_hole

# Percent of the picture's width; the outer bins take what lies beyond.
_LOW, _HIGH, _BINS = -25.0, 25.0, 5000
_CENTERS = _LOW + (np.arange(_BINS) + 0.5) * (_HIGH - _LOW) / _BINS
PERCENTILES = (1, 5, 50, 95, 99)


@dataclasses.dataclass
class Statistics:
    """Sums over frames; `a + b` is the statistics of both."""

    frames: int = 0
    hole_share: float = 0.0  # summed over frames
    counts: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros(_BINS, np.int64)
    )

    def add(self, disparity: np.ndarray, occlusion: np.ndarray) -> None:
        """Takes the (t, h, w) disparity in pixels and occlusion of some frames."""
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
        (full,) = np.nonzero(self.counts)
        return {
            "frames": self.frames,
            "hole_share": self.hole_share,
            "counts": [[int(i), int(self.counts[i])] for i in full],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Statistics":
        counts = np.zeros(_BINS, np.int64)
        for i, n in content["counts"]:
            counts[i] = n
        return cls(content["frames"], content["hole_share"], counts)

    def percentiles(self) -> dict[str, float]:
        """Disparity percentiles, % of width: positive in front of the screen."""
        total = np.cumsum(self.counts)
        if not total[-1]:
            return {}
        where = np.searchsorted(total, np.array(PERCENTILES) / 100 * total[-1])
        return {
            f"p{p}": round(float(_CENTERS[min(i, _BINS - 1)]), 3)
            for p, i in zip(PERCENTILES, where, strict=True)
        }

    def summary(self) -> dict[str, Any]:
        return {
            "disparity_percent_of_width": self.percentiles(),
            "hole_percent": round(100 * self.hole_share / max(self.frames, 1), 3),
        }


def comfort(percentiles: dict[str, float]) -> list[str]:
    """What would tire a viewer, after the limits that broadcasters use.

    BSkyB's: a range of 3 % of the width; 1 % in front and 2 % behind the screen, with
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

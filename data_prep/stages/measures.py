"""Accumulates over frames the statistics that the filters check."""

import dataclasses

import numpy as np

from data_prep.film_summary import DISPARITY_BIN
from data_prep.stages.packing import View
from stereojax.shapes import Float, Int
from stereojax.stage_types import is_hole

_BINS = 512
_MAX_PSNR = 100.0  # dB; reported for infinity too


@dataclasses.dataclass
class Measures:
    """Sums over the frames of a sequence, and the statistics derived from them."""

    frames: int = 0
    landed: int = 0  # pixels outside holes
    pixels: int = 0
    squares: float = 0.0  # squared colour errors outside holes
    agreed: float = 0.0  # sum over frames: share of disparity that was measured
    light: float = 0.0  # sum over frames: mean of the right view, [0, 1]
    worst_psnr: float = _MAX_PSNR  # dB, the minimum over frames
    counts: Int[np.ndarray, "n"] = dataclasses.field(
        default_factory=lambda: np.zeros(_BINS, np.int64)
    )  # histogram of disparity in bins of `DISPARITY_BIN`

    def add(
        self,
        warped: Float[np.ndarray, "h w 3"],
        occlusion: Float[np.ndarray, "h w"],
        right: View,
        disparity: Float[np.ndarray, "h w"],
        agreed: float,
    ) -> None:
        """Adds one frame; `agreed` is the share of its disparity that was measured."""
        landed = ~is_hole(occlusion)
        error = warped[landed] - right[landed].astype(np.float32) / 255
        squares = float(np.square(error, dtype=np.float64).sum())
        count = int(landed.sum())
        self.frames += 1
        self.landed += count
        self.pixels += landed.size
        self.squares += squares
        self.agreed += agreed
        self.light += float(right.mean()) / 255
        self.worst_psnr = min(self.worst_psnr, _psnr(squares, count))
        known = disparity[np.isfinite(disparity)]
        bins = np.minimum(known.astype(np.int64) // DISPARITY_BIN, _BINS - 1)
        self.counts += np.bincount(bins, minlength=_BINS)

    @property
    def psnr(self) -> float:
        """PSNR in dB of warped against right views, outside holes, over all frames."""
        return _psnr(self.squares, self.landed)

    @property
    def holes(self) -> float:
        """Share of the right view's pixels that are holes."""
        return 1 - self.landed / self.pixels

    @property
    def disparities(self) -> tuple[int, ...]:
        """The histogram of disparity without the empty bins at its end."""
        used = np.flatnonzero(self.counts)
        return tuple(self.counts[: used[-1] + 1].tolist()) if used.size else ()

    def statistics(self) -> dict[str, float]:
        return {
            "worst_psnr": self.worst_psnr,
            "holes": self.holes,
            "agreed": self.agreed / self.frames,
            "light": self.light / self.frames,
        }


def _psnr(squares: float, pixels: int) -> float:
    if not pixels:
        return 0.0
    return float(min(_MAX_PSNR, -10 * np.log10(max(squares / (3 * pixels), 1e-12))))

"""What the filters look at: numbers of a sequence, added up frame by frame."""

import dataclasses

import numpy as np

from data_prep.film_summary import DISPARITY_BIN
from data_prep.stages.packing import View
from stereojax.shapes import Float, Int
from stereojax.stage_types import is_hole

# As the inpainting network's mask has it: from half covered on, a pixel is known.
_BINS = 512
_BEST = 100.0  # dB; of pictures that are equal


@dataclasses.dataclass
class Measures:
    """Sums over the frames of a sequence, and what follows from them."""

    frames: int = 0
    landed: int = 0  # pixels
    pixels: int = 0
    squares: float = 0.0  # of the colours' errors where something landed
    agreed: float = 0.0  # sum over frames of the share with a two-way match
    light: float = 0.0  # sum over frames of the mean of the right view
    worst: float = _BEST  # dB of the worst frame
    counts: Int[np.ndarray, "n"] = dataclasses.field(
        default_factory=lambda: np.zeros(_BINS, np.int64)
    )

    def add(
        self,
        warped: Float[np.ndarray, "h w 3"],
        occlusion: Float[np.ndarray, "h w"],
        right: View,
        disparity: Float[np.ndarray, "h w"],
        agreed: float,
    ) -> None:
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
        self.worst = min(self.worst, _psnr(squares, count))
        known = disparity[np.isfinite(disparity)]
        bins = np.minimum(known.astype(np.int64) // DISPARITY_BIN, _BINS - 1)
        self.counts += np.bincount(bins, minlength=_BINS)

    @property
    def psnr(self) -> float:
        """dB of the warp against the right view, where it landed, of all frames."""
        return _psnr(self.squares, self.landed)

    @property
    def holes(self) -> float:
        """Share of the right view where nothing landed."""
        return 1 - self.landed / self.pixels

    @property
    def disparities(self) -> tuple[int, ...]:
        """The histogram without its empty end."""
        used = np.flatnonzero(self.counts)
        return tuple(self.counts[: used[-1] + 1].tolist()) if used.size else ()

    def statistics(self) -> dict[str, float]:
        return {
            "worst_psnr": self.worst,
            "holes": self.holes,
            "agreed": self.agreed / self.frames,
            "light": self.light / self.frames,
        }


def _psnr(squares: float, pixels: int) -> float:
    if not pixels:
        return 0.0
    return float(min(_BEST, -10 * np.log10(max(squares / (3 * pixels), 1e-12))))

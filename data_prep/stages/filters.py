"""What is dropped, each reason with a name to count by."""

import dataclasses

from data_prep.stages.measures import Measures
from data_prep.stages.parallax import Parallax


@dataclasses.dataclass(frozen=True)
class Filters:
    """Bounds; the PSNR's is the paper's, the others keep out what it lets through.

    A dark or an empty picture has a high PSNR whatever is matched with what.
    """

    min_psnr: float = 25.0  # dB, of the sequence
    below: float = 4.0  # dB by which one frame may be worse than that
    least_share: float = 0.5  # of a shot's texture that matches
    least_spread: float = 0.2  # % of the width; less depth than this is a flat picture
    least_agreed: float = 0.4  # of a sequence's pixels
    most_holes: float = 0.4
    least_holes: float = 1e-3
    least_light: float = 0.02  # of full scale, mean

    def shot(self, parallax: Parallax | None, reach: float | int) -> str | None:
        """Why no sequence of a shot is of use; `reach`: of the matcher, film's px."""
        if parallax is None:
            return "featureless"
        if parallax.share < self.least_share:
            return "unmatched"
        if parallax.spread < self.least_spread:
            return "flat"
        if parallax.high - parallax.low > reach:
            return "too_deep"
        return None

    def sequence(self, measures: Measures) -> str | None:
        """Why a sequence is not of use."""
        values = measures.statistics()
        if values["light"] < self.least_light:
            return "dark"
        if measures.psnr <= self.min_psnr:
            return "psnr"
        if measures.worst <= self.min_psnr - self.below:
            return "worst_frame"
        if values["agreed"] < self.least_agreed:
            return "inconsistent"
        if values["holes"] > self.most_holes:
            return "mostly_holes"
        if values["holes"] < self.least_holes:
            return "no_holes"
        return None

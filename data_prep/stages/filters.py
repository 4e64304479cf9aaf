"""Drops sequences and shots; each filter has a name to count by."""

import dataclasses

from data_prep.stages.measures import Measures
from data_prep.stages.parallax import Parallax


@dataclasses.dataclass(frozen=True)
class Filters:
    """The bounds of the filters.

    `min_psnr` is the paper's. Dark or empty pictures have a high PSNR with any match;
    the other bounds drop them.
    """

    min_psnr: float = 25.0  # dB, of the sequence
    worst_frame_margin: float = 4.0  # dB by which one frame may be below `min_psnr`
    min_share: float = 0.5  # share of a shot's texture that matches
    min_spread: float = 0.2  # range of disparity, % of the width
    min_agreed: float = 0.4  # share of a sequence's pixels
    max_holes: float = 0.4  # share of a sequence's pixels
    min_holes: float = 1e-3  # share of a sequence's pixels
    min_light: float = 0.02  # mean of the right views, share of full scale

    def shot(self, parallax: Parallax | None, matcher_range: float | int) -> str | None:
        """Returns the name of the filter that drops the whole shot, or None.

        Args:
          parallax: the parallax of the shot; None if there is too little texture.
          matcher_range: range of disparity that the matcher searches, px of the film.
        """
        if parallax is None:
            return "featureless"
        if parallax.share < self.min_share:
            return "unmatched"
        if parallax.spread < self.min_spread:
            return "flat"
        if parallax.high - parallax.low > matcher_range:
            return "too_deep"
        return None

    def sequence(self, measures: Measures) -> str | None:
        """Returns the name of the filter that drops the sequence, or None."""
        values = measures.statistics()
        if values["light"] < self.min_light:
            return "dark"
        if measures.psnr <= self.min_psnr:
            return "psnr"
        if measures.worst_psnr <= self.min_psnr - self.worst_frame_margin:
            return "worst_frame"
        if values["agreed"] < self.min_agreed:
            return "inconsistent"
        if values["holes"] > self.max_holes:
            return "mostly_holes"
        if values["holes"] < self.min_holes:
            return "no_holes"
        return None

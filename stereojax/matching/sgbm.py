"""Semi-global block matching, OpenCV's: no weights, runs anywhere.

Hirschmueller, "Stereo Processing by Semiglobal Matching and Mutual Information", PAMI
2008. The three-way mode is both faster and nearer to the truth here than the others
(benchmarks/matching.py).
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from stereojax.matching.contract import Disparity, Pair

_STEP = 16  # OpenCV's unit: sixteenths of a pixel, and ranges of whole sixteens


@dataclasses.dataclass(frozen=True)
class Sgbm:
    """Each frame on its own. Its range is stated in shares of the width."""

    least: float = 0.0
    largest: float = 0.125
    block: int = 5  # side of the blocks compared, odd

    name = "sgbm"
    licence = "Apache-2.0"
    per_frame = True

    def span(self, width: int) -> tuple[float, float]:
        least, count = self._range(width)
        return float(least), float(least + count - 1)

    def match(self, pairs: Iterator[Pair]) -> Iterator[Disparity]:
        for left, right in pairs:
            yield self._match(left, right)

    def _range(self, width: int) -> tuple[int, int]:
        """The least disparity, and how many whole ones there are from it on."""
        least = int(np.floor(self.least * width))
        count = np.ceil((self.largest * width - least) / _STEP)
        return least, _STEP * max(1, int(count))

    def _match(self, left: np.ndarray, right: np.ndarray) -> Disparity:
        import cv2

        least, count = self._range(left.shape[1])
        matcher = cv2.StereoSGBM_create(
            minDisparity=least,
            numDisparities=count,
            blockSize=self.block,
            P1=8 * 3 * self.block**2,
            P2=32 * 3 * self.block**2,
            preFilterCap=31,
            mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
        )
        # It leaves out columns from which the whole range does not fit into the view:
        # with the edge repeated it fits everywhere.
        before, after = max(0, least + count), max(0, -least)
        views = (
            cv2.copyMakeBorder(v, 0, 0, before, after, cv2.BORDER_REPLICATE)
            for v in (left, right)
        )
        found = matcher.compute(*views)[:, before : before + left.shape[1]]
        disparity = found.astype(np.float32) / _STEP
        disparity[found < least * _STEP] = np.nan
        return disparity

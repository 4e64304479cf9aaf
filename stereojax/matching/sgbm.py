"""OpenCV's semi-global block matching: no weights, runs on any CPU.

Hirschmueller, "Stereo Processing by Semiglobal Matching and Mutual Information", PAMI
2008. OpenCV's three-way mode is faster and more accurate than its other modes on the
films of benchmarks/matching.py.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from stereojax.matching.contract import Disparity, Pair

_SUBPIXELS = 16  # OpenCV returns disparities in sixteenths of a pixel
_RANGE_STEP = 16  # px; OpenCV's search range must be a multiple of this


@dataclasses.dataclass(frozen=True)
class Sgbm:
    """A `Matcher` that matches each frame independently."""

    min_disparity: float = 0.0  # share of the width
    max_disparity: float = 0.125  # share of the width
    block_size: int = 5  # pixels, odd

    name = "sgbm"
    licence = "Apache-2.0"
    per_frame = True

    def disparity_range(self, width: int) -> tuple[float, float]:
        lowest, count = self._search_range(width)
        return float(lowest), float(lowest + count - 1)

    def match(self, pairs: Iterator[Pair]) -> Iterator[Disparity]:
        for left, right in pairs:
            yield self._match(left, right)

    def _search_range(self, width: int) -> tuple[int, int]:
        """Returns the lowest disparity, px, and the number of disparities to search."""
        lowest = int(np.floor(self.min_disparity * width))
        count = np.ceil((self.max_disparity * width - lowest) / _RANGE_STEP)
        return lowest, _RANGE_STEP * max(1, int(count))

    def _match(self, left: np.ndarray, right: np.ndarray) -> Disparity:
        """Returns the left view's disparity; NaN where no match was found."""
        import cv2

        lowest, count = self._search_range(left.shape[1])
        matcher = cv2.StereoSGBM_create(
            minDisparity=lowest,
            numDisparities=count,
            blockSize=self.block_size,
            P1=8 * 3 * self.block_size**2,
            P2=32 * 3 * self.block_size**2,
            preFilterCap=31,
            mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
        )
        # OpenCV skips columns whose search range leaves the view. Padding with the edge
        # columns keeps the range inside for all of them.
        pad_left, pad_right = max(0, lowest + count), max(0, -lowest)
        views = (
            cv2.copyMakeBorder(v, 0, 0, pad_left, pad_right, cv2.BORDER_REPLICATE)
            for v in (left, right)
        )
        sixteenths = matcher.compute(*views)[:, pad_left : pad_left + left.shape[1]]
        disparity = sixteenths.astype(np.float32) / _SUBPIXELS
        disparity[sixteenths < lowest * _SUBPIXELS] = np.nan
        return disparity

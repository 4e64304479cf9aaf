"""Quantizes disparity to 16 bits: multiples of a power of two, and a code for NaN.

`disparity = offset + code * scale`, with `offset` a multiple of `scale`. All these
numbers are exact in float32, so that decoding returns exactly the rounded disparity.
"""

import dataclasses

import numpy as np

from stereojax.shapes import Float, Shaped

NO_DISPARITY = 65535  # the code of a disparity that is not finite
# Pixels. Half of it, the largest rounding error, is below the resolution of matchers.
_FINEST_SCALE = 1 / 32


@dataclasses.dataclass(frozen=True)
class DisparityQuantizer:
    """A uniform quantizer; codes 0 to 65534 are finite disparities."""

    scale: float  # pixels per code
    offset: float  # pixels at code 0

    @classmethod
    def covering(cls, disparity: Float[np.ndarray, "*shape"]) -> "DisparityQuantizer":
        """Returns the finest quantizer that reaches from the minimum to the maximum."""
        finite = disparity[np.isfinite(disparity)]
        if not finite.size:
            return cls(_FINEST_SCALE, 0.0)
        low, high = float(finite.min()), float(finite.max())
        if max(-low, high) > 1e5:
            raise ValueError(
                f"disparity {low:g} to {high:g} px is not that of a"
                " picture; expected -1e5 to 1e5 px"
            )
        scale = _FINEST_SCALE
        while True:
            offset = min(0.0, np.floor(low / scale) * scale)
            if (high - offset) / scale <= NO_DISPARITY - 1:
                return cls(scale, float(offset))
            scale *= 2

    def encode(
        self, disparity: Float[np.ndarray, "*shape"]
    ) -> Shaped[np.ndarray, "*shape"]:
        """Returns uint16 codes.

        Raises:
          ValueError: a disparity is outside the quantizer's range.
        """
        finite = np.isfinite(disparity)
        pixels = np.where(finite, disparity, 0).astype(np.float64)
        codes = np.rint((pixels - self.offset) / self.scale)
        outside = finite & ((codes < 0) | (codes >= NO_DISPARITY))
        if outside.any():
            last = self.offset + (NO_DISPARITY - 1) * self.scale
            raise ValueError(
                f"disparity {pixels[outside][0]:g} px: expected {self.offset:g} to"
                f" {last:g}"
            )
        return np.where(finite, codes, NO_DISPARITY).astype(np.uint16)

    def decode(
        self, codes: Shaped[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Returns float32 pixels, with NaN where the code is `NO_DISPARITY`."""
        pixels = codes.astype(np.float32) * np.float32(self.scale)
        pixels += np.float32(self.offset)
        pixels[codes == NO_DISPARITY] = np.nan
        return pixels

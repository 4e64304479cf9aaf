"""Disparity as 16-bit steps: exact multiples of a power of two, and one code for NaN.

`disparity = offset + step * scale`, with `offset` a multiple of `scale`: all of these
are exact in float32, so what is decoded equals `quantize` of what was encoded.
"""

import dataclasses

import numpy as np

from stereojax.shapes import Float, Shaped

NOWHERE = 65535  # the step that stands for a disparity that is not finite
_FINEST = 1 / 32  # px; half of it, the largest error, is below what matchers resolve


@dataclasses.dataclass(frozen=True)
class Steps:
    """The disparities that a record can hold."""

    scale: float  # pixels
    offset: float  # pixels

    @classmethod
    def of(cls, disparity: Float[np.ndarray, "*shape"]) -> "Steps":
        """The finest steps that reach from the lowest disparity to the highest."""
        finite = disparity[np.isfinite(disparity)]
        if not finite.size:
            return cls(_FINEST, 0.0)
        low, high = float(finite.min()), float(finite.max())
        if max(-low, high) > 1e5:
            raise ValueError(f"disparity {low:g} to {high:g} px is no picture's")
        scale = _FINEST
        while True:
            offset = min(0.0, np.floor(low / scale) * scale)
            if (high - offset) / scale <= NOWHERE - 1:
                return cls(scale, float(offset))
            scale *= 2

    def encode(
        self, disparity: Float[np.ndarray, "*shape"]
    ) -> Shaped[np.ndarray, "*shape"]:
        """uint16 steps.

        Raises:
          ValueError: there are disparities that these steps do not reach.
        """
        finite = np.isfinite(disparity)
        pixels = np.where(finite, disparity, 0).astype(np.float64)
        steps = np.rint((pixels - self.offset) / self.scale)
        outside = finite & ((steps < 0) | (steps >= NOWHERE))
        if outside.any():
            last = self.offset + (NOWHERE - 1) * self.scale
            raise ValueError(
                f"disparity {pixels[outside][0]:g} px: expected {self.offset:g} to"
                f" {last:g}"
            )
        return np.where(finite, steps, NOWHERE).astype(np.uint16)

    def decode(
        self, steps: Shaped[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """float32 pixels; NaN where the step is `NOWHERE`."""
        pixels = steps.astype(np.float32) * np.float32(self.scale)
        pixels += np.float32(self.offset)
        pixels[steps == NOWHERE] = np.nan
        return pixels


def quantize(disparity: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """What a record that is given `disparity` gives back."""
    steps = Steps.of(disparity)
    return steps.decode(steps.encode(disparity))

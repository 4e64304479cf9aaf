"""3x4 matrices between Y'CbCr and R'G'B', over 16-bit samples (ITU-T H.273)."""

import numpy as np

from stereojax.shapes import Float
from stereojax.stage_types import Color

# Matrix code point -> (Kr, Kb), H.273 table 4. 10, BT.2020 with constant luminance,
# is treated as 9, as players do.
_KR_KB = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
_YCGCO = 8
SUPPORTED = frozenset({*_KR_KB, _YCGCO})


def yuv_to_rgb(color: Color, bits: int) -> Float[np.ndarray, "3 4"]:
    """Returns the matrix from 16-bit Y, Cb, Cr to R, G, B in [0, 65535].

    The last column is an offset. A 16-bit sample is a `bits`-bit code value, shifted
    up.
    """
    y_zero, y_span, c_zero, c_span = _levels(color, bits)
    matrix = np.linalg.inv(_rgb_to_yuv(color.matrix)) * 65535
    matrix = matrix / np.array([y_span, c_span, c_span])
    offset = -matrix @ np.array([y_zero, c_zero, c_zero])
    return np.concatenate([matrix, offset[:, None]], axis=1)


def rgb_to_yuv(color: Color, bits: int) -> Float[np.ndarray, "3 4"]:
    """Returns the inverse of `yuv_to_rgb`."""
    y_zero, y_span, c_zero, c_span = _levels(color, bits)
    matrix = _rgb_to_yuv(color.matrix) / 65535
    matrix = matrix * np.array([[y_span], [c_span], [c_span]])
    offset = np.array([[y_zero], [c_zero], [c_zero]])
    return np.concatenate([matrix, offset], axis=1)


def luma_levels(color: Color, bits: int) -> tuple[float, float]:
    """Returns (black, white - black) as 16-bit samples."""
    return _levels(color, bits)[:2]


def _rgb_to_yuv(matrix: int) -> Float[np.ndarray, "3 3"]:
    """Returns the matrix from R'G'B' in [0, 1] to Y' in [0, 1], Cb, Cr in ±0.5."""
    if matrix == _YCGCO:
        return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0, -0.5]])
    kr, kb = _KR_KB[matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - kb))
    red = (np.array([1, 0, 0]) - luma) / (2 * (1 - kr))
    return np.stack([luma, blue, red])


def _levels(color: Color, bits: int) -> tuple[float, float, float, float]:
    """Returns (zero, span) of luma, then of chroma, as 16-bit samples (H.273 8.3)."""
    shift = float(1 << (16 - bits))
    unit = 1 << (bits - 8)
    if color.full_range:
        span = ((1 << bits) - 1) * shift
        return 0.0, span, (1 << (bits - 1)) * shift, span
    return 16 * unit * shift, 219 * unit * shift, 128 * unit * shift, 224 * unit * shift

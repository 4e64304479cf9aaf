"""Red-cyan anaglyphs: a 3 x 6 matrix per kind mixes two views into one picture.

`(r, g, b) = M @ (rl, gl, bl, rr, gr, br)`. Glasses: red over the left eye, cyan over
the right.
"""

import dataclasses
import functools

import numpy as np

from stereojax.shapes import Float, Shaped

# Luma weights of ITU-R BT.601, as in the sources of the gray kinds.
_LUMA = (0.299, 0.587, 0.114)
_NONE = (0.0, 0.0, 0.0)
_RED, _GREEN, _BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Anaglyph:
    """The mixing matrix of one kind, as its left and right halves."""

    left: tuple[tuple[float, float, float], ...]  # rows r, g, b
    right: tuple[tuple[float, float, float], ...]
    linear: bool = False  # applied to linear light; else to gamma-coded values


KINDS = {
    # E. Dubois, "Conversion of a Stereo Pair to Anaglyph with the Least-Squares
    # Projection Method" (2009), red-cyan on an LCD. A projection in XYZ: applied to
    # linear light, then clipped.
    "dubois": Anaglyph(
        ((0.437, 0.449, 0.164), (-0.062, -0.062, -0.024), (-0.048, -0.050, -0.017)),
        ((-0.011, -0.032, -0.007), (0.377, 0.761, 0.009), (-0.026, -0.093, 1.234)),
        linear=True,
    ),
    # The other kinds: P. Wimmer, "Anaglyph Methods Comparison" (3dtv.at), on
    # gamma-coded values.
    "color": Anaglyph((_RED, _NONE, _NONE), (_NONE, _GREEN, _BLUE)),
    "half_color": Anaglyph((_LUMA, _NONE, _NONE), (_NONE, _GREEN, _BLUE)),
    "gray": Anaglyph((_LUMA, _NONE, _NONE), (_NONE, _LUMA, _LUMA)),
    # Red of the views is dropped, so that red areas cause no retinal rivalry.
    "optimized": Anaglyph(((0.0, 0.7, 0.3), _NONE, _NONE), (_NONE, _GREEN, _BLUE)),
    # As first printed: dark, and the cyan filter passes blue only.
    "true": Anaglyph((_LUMA, _NONE, _NONE), (_NONE, _NONE, _LUMA)),
}


def anaglyph(
    left: Shaped[np.ndarray, "h w 3"],  # uint8, or uint16 of full scale
    right: Shaped[np.ndarray, "h w 3"],
    kind: str = "dubois",
) -> Shaped[np.ndarray, "h w 3"]:  # dtype of the views
    """Returns the red-cyan picture of a stereo pair; `kind` is one of `KINDS`."""
    chosen = KINDS[kind]
    matrix = np.concatenate([chosen.left, chosen.right], axis=1).astype(np.float32)
    decode = _to_linear(left.dtype) if chosen.linear else _to_unit(left.dtype)
    mixed = decode[left] @ matrix[:, :3].T
    mixed += decode[right] @ matrix[:, 3:].T
    np.clip(mixed, 0, 1, out=mixed)
    if chosen.linear:
        return _from_linear(left.dtype)[np.rint(mixed * _STEPS).astype(np.uint16)]
    return np.rint(mixed * np.iinfo(left.dtype).max).astype(left.dtype)


_STEPS = 65535  # linear-light levels; the darkest 8-bit sRGB step spans 20


@functools.cache
def _to_unit(dtype: np.dtype) -> Float[np.ndarray, " n"]:
    """Returns a table from code value to [0, 1]."""
    top = np.iinfo(dtype).max
    return (np.arange(top + 1) / top).astype(np.float32)


@functools.cache
def _to_linear(dtype: np.dtype) -> Float[np.ndarray, " n"]:
    """Returns a table from code value to linear light by sRGB, as Dubois assumes."""
    v = _to_unit(dtype).astype(np.float64)
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


@functools.cache
def _from_linear(dtype: np.dtype) -> Shaped[np.ndarray, " n"]:
    """Returns the inverse of `_to_linear`, a table over `_STEPS` levels."""
    v = np.arange(_STEPS + 1) / _STEPS
    coded = np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)
    return np.rint(coded * np.iinfo(dtype).max).astype(dtype)

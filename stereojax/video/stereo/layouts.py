"""Packs two views into one picture: side by side, top and bottom, or anaglyph.

A full layout keeps each view at its own size. A half layout squeezes each view to half,
so that the packed picture is as large as one view (rounded up to an even number: half
of 961 is 481, and two halves are 962). The sample aspect is the source's in every
layout: for half layouts televisions expect an ordinary frame with squeezed views.
"""

import numpy as np

from stereojax.settings.infer import LAYOUTS
from stereojax.shapes import Shaped
from stereojax.video.stereo.anaglyph import anaglyph as _anaglyph

_SIDE_BY_SIDE = ("full_sbs", "half_sbs", "cross_eyed")


def packed_size(width: int, height: int, layout: str) -> tuple[int, int]:
    """Returns (width, height) of each packed picture; `width` x `height` a view."""
    if layout in ("full_sbs", "cross_eyed"):
        return 2 * width, height
    if layout == "half_sbs":
        return 2 * _half(width), height
    if layout == "full_tb":
        return width, 2 * height
    if layout == "half_tb":
        return width, 2 * _half(height)
    if layout in LAYOUTS:
        return width, height
    raise ValueError(f"layout {layout!r} is not one of {', '.join(LAYOUTS)}")


def left_corner(width: int, height: int, layout: str) -> tuple[int, int] | None:
    """Returns (x, y) of the unmodified left view in the first picture, or None."""
    if layout in ("full_sbs", "full_tb", "left_right_files"):
        return 0, 0
    return (width, 0) if layout == "cross_eyed" else None


def pack(
    left: Shaped[np.ndarray, "h w 3"],  # uint8, or uint16 of full scale
    right: Shaped[np.ndarray, "h w 3"],
    layout: str,
    anaglyph: str = "dubois",  # kind of the layout `anaglyph`
) -> tuple[Shaped[np.ndarray, "_h _w 3"], ...]:
    """Returns the packed picture, or left and right for `left_right_files`."""
    if left.shape != right.shape or left.dtype != right.dtype:
        raise ValueError(
            f"left is {left.dtype} {left.shape}, right is {right.dtype} {right.shape}:"
            " expected two views of one size and type"
        )
    if layout == "right":
        return (right,)
    if layout == "left_right_files":
        return left, right
    if layout == "anaglyph":
        return (_anaglyph(left, right, anaglyph),)
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} is not one of {', '.join(LAYOUTS)}")
    axis = 1 if layout in _SIDE_BY_SIDE else 0
    views = (right, left) if layout == "cross_eyed" else (left, right)
    if layout.startswith("half"):
        views = tuple(_squeeze(v, axis) for v in views)
    return (np.concatenate(views, axis=axis),)


def _half(size: int) -> int:
    return (size + 1) // 2


# Lanczos (a = 2) at half the sampling rate, sampled between two pixels: passes
# frequencies below the new Nyquist rate and suppresses those above.
_OFFSETS = np.arange(0.5, 4) / 2
_TAPS = np.sinc(_OFFSETS) * np.sinc(_OFFSETS / 2)
_TAPS = (_TAPS / (2 * _TAPS.sum())).astype(np.float32)


def _squeeze(
    image: Shaped[np.ndarray, "h w 3"], axis: int
) -> Shaped[np.ndarray, "_h _w 3"]:
    """Halves the size along `axis`; extends an odd size by its last line."""
    reach = len(_TAPS) - 1
    half = _half(image.shape[axis])
    pad = [(0, 0)] * 3
    pad[axis] = (reach, reach + image.shape[axis] % 2)
    padded = np.pad(image, pad, mode="edge")

    def every_other(start: int) -> np.ndarray:
        cut = [slice(None)] * 3
        cut[axis] = slice(start, start + 2 * half - 1, 2)
        return padded[tuple(cut)].astype(np.float32)

    total = np.zeros(every_other(0).shape, np.float32)
    for i, tap in enumerate(_TAPS):
        total += tap * (every_other(reach - i) + every_other(reach + 1 + i))
    top = np.iinfo(image.dtype).max
    return np.rint(np.clip(total, 0, top)).astype(image.dtype)

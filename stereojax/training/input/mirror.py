"""A mirror image of a stereo pair: each eye sees what the other saw, reversed."""

import numpy as np

from stereojax.records import Frames
from stereojax.shapes import Float


def mirrored(frames: Frames) -> Frames:
    """The right view, reversed, becomes the left one, and the left the right.

    A pixel's disparity stays what it was, but now belongs to the other view: it is
    moved there. Where the left view showed nothing there is none (NaN), so nothing
    lands from there: what only the right eye saw lies, in the mirror, behind what the
    other eye sees.
    """
    return Frames(
        np.ascontiguousarray(frames.right[:, :, ::-1]),
        np.ascontiguousarray(frames.left[:, :, ::-1]),
        np.ascontiguousarray(to_right_view(frames.disparity)[:, :, ::-1]),
    )


def to_right_view(
    disparity: Float[np.ndarray, "*t h w"],
) -> Float[np.ndarray, "*t h w"]:
    """The disparity of each right pixel: the nearest of those that land on it.

    Columns that a stretched surface leaves out, one or two at a time, take what is
    beside them.
    """
    width = disparity.shape[-1]
    d = disparity.reshape(-1, width)
    column = np.arange(width, dtype=np.float32)
    target = np.rint(
        column - np.nan_to_num(d, nan=np.inf, posinf=np.inf, neginf=np.inf)
    )
    row, source = np.nonzero((target >= 0) & (target < width))
    flat = row * width + target[row, source].astype(np.int64)
    right = np.full(d.size, -np.inf, np.float32)
    np.maximum.at(right, flat, d[row, source])
    right = right.reshape(d.shape)
    right[np.isinf(right)] = np.nan
    return _close_cracks(right).reshape(disparity.shape)


def _close_cracks(d: Float[np.ndarray, "n w"]) -> Float[np.ndarray, "n w"]:
    """Fills a missing column where a surface goes on at both of its sides."""
    before, after = (_shifted(d, by) for by in (1, -1))
    # Of neighbours that are much unlike the hole between them is a true one.
    same = np.abs(before - after) < 2
    mean = (before + after) / 2
    return np.where(np.isnan(d) & same, mean, d).astype(np.float32)


def _shifted(d: Float[np.ndarray, "n w"], by: int) -> Float[np.ndarray, "n w"]:
    out = np.roll(d, by, axis=1)
    out[:, 0 if by > 0 else -1] = np.nan
    return out

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
    height, width = disparity.shape[-2:]
    # A frame at a time, which is what a processor's cache holds.
    frames = disparity.reshape(-1, height, width)
    moved = [_close_cracks(_moved(frame)) for frame in frames]
    return np.stack(moved).reshape(disparity.shape)


def _moved(d: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    height, width = d.shape
    target = np.rint(np.arange(width, dtype=np.float32) - d)
    lands = (target >= 0) & (target < width)  # not where there is no disparity
    rows = width * np.arange(height, dtype=np.int32)[:, None]
    flat = (np.where(lands, target, 0).astype(np.int32) + rows)[lands]
    right = np.full(d.size, np.nan, np.float32)
    # Of those that land on one pixel, the one furthest to the right is the nearest (or
    # as near, but for rounding); and the last of them that is written stays.
    right[flat] = d[lands]
    return right.reshape(d.shape)


def _close_cracks(d: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Fills a missing column where a surface goes on at both of its sides."""
    before, after = (_shifted(d, by) for by in (1, -1))
    # Of neighbours that are much unlike the hole between them is a true one.
    same = np.abs(before - after) < 2
    mean = (before + after) / 2
    return np.where(np.isnan(d) & same, mean, d).astype(np.float32)


def _shifted(d: Float[np.ndarray, "h w"], by: int) -> Float[np.ndarray, "h w"]:
    out = np.roll(d, by, axis=1)
    out[:, 0 if by > 0 else -1] = np.nan
    return out

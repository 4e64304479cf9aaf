"""Mirrors a stereo pair: each view becomes the other view, flipped horizontally."""

import numpy as np

from stereojax.records import Frames
from stereojax.shapes import Float


def mirror_pair(frames: Frames) -> Frames:
    """Returns the flipped right view as left view, and the flipped left view as right.

    The disparity keeps its values, but has to belong to the new left view; so it is
    first moved to the old right view. Pixels that only the right view shows have no
    disparity (NaN): they are occluded in the new right view, and the splat skips them.
    """
    return Frames(
        np.ascontiguousarray(frames.right[:, :, ::-1]),
        np.ascontiguousarray(frames.left[:, :, ::-1]),
        np.ascontiguousarray(to_right_view(frames.disparity)[:, :, ::-1]),
    )


def to_right_view(
    disparity: Float[np.ndarray, "*t h w"],
) -> Float[np.ndarray, "*t h w"]:
    """Returns each right pixel's disparity: that of the nearest pixel that lands on it.

    A single column left empty by a stretched surface gets the mean of its neighbours;
    larger gaps stay NaN.
    """
    height, width = disparity.shape[-2:]
    # One frame at a time fits the processor's cache.
    frames = disparity.reshape(-1, height, width)
    moved = [_close_cracks(_move(frame)) for frame in frames]
    return np.stack(moved).reshape(disparity.shape)


def _move(d: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    height, width = d.shape
    target = np.rint(np.arange(width, dtype=np.float32) - d)
    lands = (target >= 0) & (target < width)  # False where the disparity is NaN
    rows = width * np.arange(height, dtype=np.int32)[:, None]
    flat = (np.where(lands, target, 0).astype(np.int32) + rows)[lands]
    right = np.full(d.size, np.nan, np.float32)
    # Among pixels that land on the same target, the rightmost is the nearest one (up to
    # rounding), and NumPy keeps the value that is written last.
    right[flat] = d[lands]
    return right.reshape(d.shape)


def _close_cracks(d: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Fills an empty column between two columns of the same surface."""
    left, right = (_shift(d, by) for by in (1, -1))
    # Neighbours that differ by more belong to two surfaces: the gap is an occlusion.
    same = np.abs(left - right) < 2
    mean = (left + right) / 2
    return np.where(np.isnan(d) & same, mean, d).astype(np.float32)


def _shift(d: Float[np.ndarray, "h w"], by: int) -> Float[np.ndarray, "h w"]:
    out = np.roll(d, by, axis=1)
    out[:, 0 if by > 0 else -1] = np.nan
    return out

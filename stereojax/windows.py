"""Plans segments, which are encoded separately, and windows, which overlap.

Pure functions of frame numbers.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from stereojax.stage_types import FrameRange, Shot

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Segment:
    """Frames `start` to `stop - 1` of one shot, which are processed as a unit.

    A run that is killed repeats at most one segment.
    """

    index: int
    shot: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def frames(self) -> FrameRange:
        return FrameRange(self.shot, self.start, self.stop)


def plan_segments(shots: Iterable[Shot], longest: int) -> tuple[Segment, ...]:
    """Cuts each shot into the fewest segments of at most `longest` frames.

    The segments of one shot differ by at most one frame; none crosses a cut.
    """
    segments: list[Segment] = []
    for shot in shots:
        count = -(-len(shot) // longest)
        edges = [shot.start + i * len(shot) // count for i in range(count + 1)]
        for start, stop in itertools.pairwise(edges):
            segments.append(Segment(len(segments), shot.index, start, stop))
    return tuple(segments)


@dataclasses.dataclass(frozen=True)
class Window:
    """Frames `start` to `stop - 1` of a shot, which are denoised together."""

    start: int
    stop: int
    overlap: int  # number of first frames that the previous window has generated


def plan_windows(frames: int, window: int, overlap: int) -> tuple[Window, ...]:
    """Plans the fewest windows of equal length that cover `frames` frames.

    Every window has `min(window, frames)` frames, so that a shot needs one compilation.
    The last window starts earlier if needed, with a larger overlap. Each frame is new
    in exactly one window.
    """
    check_overlap(window, overlap)
    window = min(window, frames)
    plan, covered = [], 0
    while covered < frames:
        start = max(0, min(covered - overlap, frames - window))
        plan.append(Window(start, start + window, covered - start))
        covered = start + window
    return tuple(plan)


def check_overlap(window: int, overlap: int) -> None:
    """Raises ValueError unless a window is longer than its overlap."""
    if not 0 <= overlap < window:
        raise ValueError(
            f"overlap {overlap}: expected at least 0 and less than the window, {window}"
        )


def fade_in(length: int) -> np.ndarray:
    """Returns (length,) float32 weights of the newer window in a cross-fade.

    The weights increase strictly between 0 and 1: `fade_in(n) + fade_in(n)[::-1] == 1`.
    """
    return (np.arange(1, length + 1, dtype=np.float32)) / (length + 1)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yields lists of `size` items; the last list may be shorter."""
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch

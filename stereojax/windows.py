"""Plans of frame ranges: segments encoded alone, windows that overlap. Pure."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from stereojax.stage_types import FrameRange, Shot

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Segment:
    """Frames `start` to `stop - 1` of one shot; a crash loses at most one segment."""

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
    """Frames denoised together; the first `overlap` were generated before."""

    start: int
    stop: int
    overlap: int


def plan_windows(frames: int, window: int, overlap: int) -> tuple[Window, ...]:
    """Covers `frames` with the fewest windows of equal length.

    Every window has `min(window, frames)` frames, so one compiled shape serves a shot;
    the last is moved back and its overlap grows. Each frame is new in exactly one.
    """
    check_overlap(window, overlap)
    window = min(window, frames)
    plan, done = [], 0
    while done < frames:
        start = max(0, min(done - overlap, frames - window))
        plan.append(Window(start, start + window, done - start))
        done = start + window
    return tuple(plan)


def check_overlap(window: int, overlap: int) -> None:
    """Raises ValueError unless a window is longer than its overlap."""
    if not 0 <= overlap < window:
        raise ValueError(
            f"overlap {overlap}: expected a number in [0, {window}), the window"
        )


def fade_in(length: int) -> np.ndarray:
    """Returns (length,) float32 weights of the newer frames in a cross-fade.

    0 and 1 are excluded. Complementary: `fade_in(n) + fade_in(n)[::-1] == 1`.
    """
    return (np.arange(1, length + 1, dtype=np.float32)) / (length + 1)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yields lists of `size` items; the last may be shorter."""
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch

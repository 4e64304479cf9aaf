"""Plans of frames: segments that are encoded alone, windows that overlap. Pure."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from stereojax.stage_types import Shot

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Segment:
    """Frames `start` to `stop - 1` of one shot: what a kill can cost at most."""

    index: int
    shot: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def plan_segments(shots: Iterable[Shot], longest: int) -> tuple[Segment, ...]:
    """Cuts each shot into the fewest segments of at most `longest` frames.

    The segments of one shot differ by one frame at most; none crosses a cut.
    """
    segments: list[Segment] = []
    for shot in shots:
        parts = -(-len(shot) // longest)
        edges = [shot.start + i * len(shot) // parts for i in range(parts + 1)]
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
    """Covers `frames` with windows of equal length, as few as will do.

    Every window has `min(window, frames)` frames, so one compiled shape serves a shot;
    the last is pulled back and its overlap grows. Each frame is new in exactly one.
    """
    if not 0 <= overlap < window:
        raise ValueError(f"overlap {overlap} must lie in [0, {window}), the window")
    window = min(window, frames)
    plan, done = [], 0
    while done < frames:
        start = max(0, min(done - overlap, frames - window))
        plan.append(Window(start, start + window, done - start))
        done = start + window
    return tuple(plan)


def plan_published_windows(
    frames: int, window: int, overlap: int
) -> tuple[Window, ...]:
    """The windows of StereoCrafter's code: the last is pulled back, and shorter.

    Where that code does nothing at all, with no more frames than `overlap`, there is
    one window.
    """
    if not 0 <= overlap < window:
        raise ValueError(f"overlap {overlap} must lie in [0, {window}), the window")
    plan = [Window(0, min(window, frames), 0)]
    for start in range(window - overlap, frames - overlap, window - overlap):
        late = start + window > frames
        at = max(0, frames + overlap - window) if late else start
        plan.append(Window(at, min(at + window, frames), start - at + overlap))
    return tuple(plan)


def ramp(length: int) -> np.ndarray:
    """(length,) float32 weights of the newcomer in a cross-fade, ends excluded.

    Complementary: `ramp(n) + ramp(n)[::-1] == 1`.
    """
    return (np.arange(1, length + 1, dtype=np.float32)) / (length + 1)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items; the last may be shorter."""
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch

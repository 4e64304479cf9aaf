"""Plans cover every frame once, cross no cut, and are as even as they say."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereojax.stage_types import Shot
from stereojax.windows import (
    Window,
    plan_published_windows,
    plan_segments,
    plan_windows,
    ramp,
)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(1, 60))
def test_segments_cover_each_frame_once_and_cross_no_cut(lengths, longest):
    stops = np.cumsum(lengths)
    shots = [
        Shot(i, int(b - n), int(b))
        for i, (n, b) in enumerate(zip(lengths, stops, strict=True))
    ]
    segments = plan_segments(shots, longest)
    frames = [f for s in segments for f in range(s.start, s.stop)]
    assert frames == list(range(stops[-1]))
    for segment in segments:
        shot = shots[segment.shot]
        assert shot.start <= segment.start < segment.stop <= shot.stop
        assert len(segment) <= longest


@given(st.integers(1, 300), st.integers(1, 40), st.data())
def test_windows_make_each_frame_new_once(frames, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    plan = plan_windows(frames, window, overlap)
    new = [f for w in plan for f in range(w.start + w.overlap, w.stop)]
    assert new == list(range(frames))
    assert {w.stop - w.start for w in plan} == {min(window, frames)}
    assert plan[0].overlap == 0
    assert all(w.overlap >= min(overlap, frames - 1) for w in plan[1:])


@pytest.mark.parametrize("plan", [plan_windows, plan_published_windows])
def test_every_length_with_every_overlap(plan):
    for overlap in range(25):
        for frames in range(1, 301):
            windows = plan(frames, 25, overlap)
            new = [f for w in windows for f in range(w.start + w.overlap, w.stop)]
            assert new == list(range(frames)), (frames, overlap)
            # What a window goes on from lies in the one before.
            for before, after in itertools.pairwise(windows):
                assert before.start < after.start, (frames, overlap)
                assert after.start + after.overlap <= before.stop, (frames, overlap)


def test_an_overlap_as_long_as_the_window_never_ends():
    with pytest.raises(ValueError, match="overlap 4"):
        plan_windows(10, 4, 4)


# By hand, from how the published loop counts: (first frame, frame after the last, how
# many were generated before). Full windows begin every 20 frames; the last one is as
# long as what follows frame N - 20, whatever the window before has made of that.
PUBLISHED = {
    4: [(0, 4, 0)],
    22: [(0, 22, 0)],
    23: [(0, 23, 0)],
    24: [(0, 23, 0), (4, 24, 19)],
    42: [(0, 23, 0), (22, 42, 1)],
    43: [(0, 23, 0), (20, 43, 3)],
    44: [(0, 23, 0), (20, 43, 3), (24, 44, 19)],
    60: [(0, 23, 0), (20, 43, 3), (40, 60, 3)],
    63: [(0, 23, 0), (20, 43, 3), (40, 63, 3)],
    100: [(0, 23, 0), (20, 43, 3), (40, 63, 3), (60, 83, 3), (80, 100, 3)],
    151: [
        *[(20 * i, 20 * i + 23, 3 if i else 0) for i in range(7)],
        (131, 151, 12),
    ],
}


@pytest.mark.parametrize("frames", PUBLISHED)
def test_the_published_windows(frames):
    plan = plan_published_windows(frames, 23, 3)
    assert plan == tuple(Window(*window) for window in PUBLISHED[frames])


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_where_the_published_loop_does_nothing_one_window_does(frames):
    assert plan_published_windows(frames, 23, 3) == (Window(0, frames, 0),)


@given(st.integers(1, 300), st.integers(1, 40), st.data())
def test_published_windows_make_each_frame_new_once(frames, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    plan = plan_published_windows(frames, window, overlap)
    new = [f for w in plan for f in range(w.start + w.overlap, w.stop)]
    assert new == list(range(frames))
    # What a window goes on from was all made by the one before it.
    for before, after in itertools.pairwise(plan):
        assert before.start <= after.start
        assert after.start + after.overlap == before.stop


@pytest.mark.parametrize("length", [1, 2, 5, 16])
def test_ramps_are_complementary(length):
    np.testing.assert_allclose(ramp(length) + ramp(length)[::-1], 1, atol=1e-6)

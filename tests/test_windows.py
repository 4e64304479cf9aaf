"""Plans cover every frame once, cross no cut, and are as even as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereojax.stage_types import Shot
from stereojax.windows import plan_segments, plan_windows, ramp


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


def test_an_overlap_as_long_as_the_window_never_ends():
    with pytest.raises(ValueError, match="overlap 4"):
        plan_windows(10, 4, 4)


@pytest.mark.parametrize("length", [1, 2, 5, 16])
def test_ramps_are_complementary(length):
    np.testing.assert_allclose(ramp(length) + ramp(length)[::-1], 1, atol=1e-6)

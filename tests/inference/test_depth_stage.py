"""What the stage makes of a depth file: ranges of shots, and a steady scale."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stereojax.depth.files.depth_file import join_segments, write_segment
from stereojax.inference.depth_stage import Disparity
from stereojax.stage_types import Shot, VideoIndex, VideoInfo

SHOTS = (Shot(0, 0, 30), Shot(1, 30, 50))


@pytest.fixture(scope="module")
def frames():
    """Two still shots that breathe."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :70]
    pictures = [1 + y / 40 + np.sin(x / 9), 2 + x / 70 + np.cos(y / 7)]
    breath = np.exp(rng.normal(0, 0.1, 50))
    shot = [0] * 30 + [1] * 20
    return [(breath[i] * pictures[shot[i]]).astype(np.float32) for i in range(50)]


def depth_file(folder, frames, model, units="relative"):
    paths = [folder / f"{i}.mkv" for i in range(2)]
    for path, shot in zip(paths, SHOTS, strict=True):
        times = np.arange(shot.start, shot.stop) / 24
        write_segment(path, frames[shot.start : shot.stop], times)
    return join_segments(
        paths,
        folder / "depth.mkv",
        units=units,
        model=model,
        per_frame_scale=model.startswith("depth_anything"),
        source_hash="",
        video_width=70,
        video_height=40,
        shots=[],
    )


def index(shots=SHOTS):
    nothing = np.zeros(0, np.int64)
    rate = Fraction(24)
    info = VideoInfo(Path("film.mkv"), 70, 40, rate, 1 / rate, 2.0, "yuv420p", 8)
    return VideoIndex(info, "", nothing, 0, nothing, shots)


def wander(disparity, shot):
    """Mean change of the scale from frame to frame."""
    ranges = [np.ptp(d) for d in disparity.depth(shot.start, shot.stop)]
    return np.abs(np.diff(ranges)).mean() / np.mean(ranges)


def test_depth_of_single_frames_gets_a_steady_scale(frames, tmp_path):
    file = depth_file(tmp_path, frames, "depth_anything_v2_small")
    raw = Disparity.of(file, index(), (0.0, 100.0))
    steady = Disparity.of(file, index(), (0.0, 100.0), steady=12.0)
    for shot in SHOTS:
        assert wander(raw, shot) > 0.05
        assert wander(steady, shot) < 0.01
        # The range is that of the depth that is read.
        read = np.stack(list(steady.depth(shot.start, shot.stop)))
        far, near = steady.ranges[shot.index]
        assert (far, near) == pytest.approx((read.min(), read.max()), rel=1e-3)
        assert near < raw.ranges[shot.index][1]
    # Whatever part is read, a frame has the same depth.
    part = list(steady.depth(33, 36))
    whole = list(steady.depth(30, 50))
    np.testing.assert_array_equal(part, whole[3:6])


def test_a_film_that_begins_later_in_the_file(frames, tmp_path):
    file = depth_file(tmp_path, frames, "depth_anything_v2_small")
    shot = Shot(0, 0, 20)
    late = Disparity.of(file, index((shot,)), (0.0, 100.0), 30, steady=12.0)
    whole = Disparity.of(file, index(), (0.0, 100.0), steady=12.0)
    np.testing.assert_array_equal(list(late.depth(0, 20)), list(whole.depth(30, 50)))


@pytest.mark.parametrize(
    ("model", "units"),
    [
        ("video_depth_anything_small", "relative"),
        ("file", "relative"),
        ("depth_anything_v2_small", "pixels"),
    ],
)
def test_other_depth_is_left_as_it_is(frames, tmp_path, model, units):
    file = depth_file(tmp_path, frames, model, units)
    disparity = Disparity.of(file, index(), (0.0, 100.0), steady=12.0)
    np.testing.assert_array_equal(list(disparity.depth(0, 50)), list(file.read()))

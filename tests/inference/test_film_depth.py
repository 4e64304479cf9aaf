"""Depth of a film from its depth file: ranges of shots, and a steady scale."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stereojax.depth.files.depth_file import join_segments, write_segment
from stereojax.inference.film_depth import FilmDepth
from stereojax.stage_types import Shot, VideoIndex, VideoInfo

SHOTS = (Shot(0, 0, 30), Shot(1, 30, 50))


@pytest.fixture(scope="module")
def frames():
    """Two still shots whose depth changes its scale from frame to frame."""
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


def scale_change(depth, shot):
    """Returns the mean change of the scale from frame to frame."""
    ranges = [np.ptp(d) for d in depth.read(shot.start, shot.stop)]
    return np.abs(np.diff(ranges)).mean() / np.mean(ranges)


def test_per_frame_depth_gets_a_steady_scale(frames, tmp_path):
    file = depth_file(tmp_path, frames, "depth_anything_v2_small")
    raw = FilmDepth.measure(file, index(), (0.0, 100.0))
    steady = FilmDepth.measure(file, index(), (0.0, 100.0), steady=12.0)
    for shot in SHOTS:
        assert scale_change(raw, shot) > 0.05
        assert scale_change(steady, shot) < 0.01
        # The range is that of the steadied depth.
        read = np.stack(list(steady.read(shot.start, shot.stop)))
        far, near = steady.ranges[shot.index]
        assert (far, near) == pytest.approx((read.min(), read.max()), rel=1e-3)
        assert near < raw.ranges[shot.index][1]
    # A frame has the same depth in every part of the shot that is read.
    part = list(steady.read(33, 36))
    shot = list(steady.read(30, 50))
    np.testing.assert_array_equal(part, shot[3:6])


def test_a_film_whose_first_frame_is_later_in_the_file(frames, tmp_path):
    file = depth_file(tmp_path, frames, "depth_anything_v2_small")
    shot = Shot(0, 0, 20)
    late = FilmDepth.measure(file, index((shot,)), (0.0, 100.0), 30, steady=12.0)
    whole = FilmDepth.measure(file, index(), (0.0, 100.0), steady=12.0)
    np.testing.assert_array_equal(list(late.read(0, 20)), list(whole.read(30, 50)))


@pytest.mark.parametrize(
    ("model", "units"),
    [
        ("video_depth_anything_small", "relative"),
        ("file", "relative"),
        ("depth_anything_v2_small", "pixels"),
    ],
)
def test_other_depth_is_not_changed(frames, tmp_path, model, units):
    file = depth_file(tmp_path, frames, model, units)
    depth = FilmDepth.measure(file, index(), (0.0, 100.0), steady=12.0)
    np.testing.assert_array_equal(list(depth.read(0, 50)), list(file.read()))

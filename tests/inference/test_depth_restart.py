"""A long shot that is stopped is resumed in its middle, with the same depth."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stereojax.depth.estimator import StateStore
from stereojax.depth.files.depth_file import read_segment
from stereojax.inference import depth_resume
from stereojax.inference.depth_resume import ShotStateStore
from stereojax.inference.depth_stage import DepthFrames, estimate_film
from stereojax.stage_types import Shot, VideoIndex, VideoInfo
from stereojax.windows import plan_segments

SHOTS = (Shot(0, 0, 50), Shot(1, 50, 93))
SEGMENTS = plan_segments(SHOTS, 10)


class Sums:
    """Estimates depth that depends on all frames before, seven frames at a time."""

    def __init__(self, stop_at=None):
        self.read, self.stop_at = [], stop_at

    def resume(self, start, stop, store: StateStore):
        state = store.load()
        done = 0 if state is None else int(state["done"])
        total = np.zeros((4, 6), np.float32) if state is None else state["total"]
        frames = iter(range(start + done, stop))
        while part := list(itertools.islice(frames, 7)):
            for frame in part:
                if frame == self.stop_at:
                    raise KeyboardInterrupt
                self.read.append(frame)
                total = total + np.float32(np.sin(frame))
                yield total + np.arange(24, dtype=np.float32).reshape(4, 6)
            done += len(part)
            kept = {"done": np.array(done), "total": total}
            store.offer(done, lambda kept=kept: kept)


def index():
    info = VideoInfo(Path("x"), 6, 4, Fraction(24), Fraction(1, 24), 4.0, "yuv420p", 8)
    return VideoIndex(info, "", np.arange(93), 1, np.zeros(1, np.int64), SHOTS)


def run(folder, sums):
    def never(start, stop):
        pytest.fail("a whole shot was requested")

    source = DepthFrames(never, False, sums.resume)
    return estimate_film(index(), source, SEGMENTS, folder)


def depth(paths):
    return np.stack([frame for path in paths for frame in read_segment(path)])


@pytest.fixture
def every_state(monkeypatch):
    """Every offered state is written."""
    monkeypatch.setattr(depth_resume, "SECONDS", 0.0)


@pytest.mark.parametrize("stop_at", [0, 6, 8, 21, 22, 34, 49, 50, 71, 92])
def test_a_stopped_shot_is_resumed(tmp_path, every_state, stop_at):
    whole, _ = run(tmp_path / "whole", Sums())
    sums = Sums(stop_at)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", sums)
    again = Sums()
    paths, reused = run(tmp_path / "b", again)
    np.testing.assert_array_equal(depth(paths), depth(whole))
    assert reused == sum(len(s) for s in SEGMENTS if s.stop <= stop_at)
    # At most a segment and a batch are done twice.
    assert len({*sums.read} & {*again.read}) <= 10 + 7
    assert {*sums.read} | {*again.read} == {*range(93)}
    # A finished shot leaves no state.
    assert not list((tmp_path / "b").glob("shot*"))


def test_at_most_two_states_are_kept(tmp_path, every_state):
    store = ShotStateStore(tmp_path / "s", 0)
    assert store.load() is None and store.frames_done == 0
    for done in range(5, 100, 5):
        store.written = done // 20 * 20  # segments of 20 frames
        store.offer(done, lambda done=done: {"done": np.array(done)})
        assert len(list((tmp_path / "s").iterdir())) <= 2
    for written, expected in ((200, 95), (94, 80), (79, 0)):
        assert ShotStateStore(tmp_path / "s", written).frames_done == expected
    newest = max((tmp_path / "s").iterdir())
    newest.write_bytes(newest.read_bytes()[:20])
    assert ShotStateStore(tmp_path / "s", 200).frames_done == 80


def test_states_are_written_at_intervals(tmp_path):
    store = ShotStateStore(tmp_path / "s", 0)
    store.offer(5, lambda: pytest.fail("written"))
    assert not (tmp_path / "s").exists()


def test_16_bit_floats_are_restored(tmp_path, every_state):
    import jax.numpy as jnp

    store = ShotStateStore(tmp_path / "s", 9)
    value = np.asarray(jnp.linspace(0, 1, 7, dtype=jnp.bfloat16))
    store.offer(3, lambda: {"done": np.array(3), "x": value[::-1]})
    state = ShotStateStore(tmp_path / "s", 9).load()
    assert state["x"].dtype == value.dtype
    np.testing.assert_array_equal(state["x"], value[::-1])

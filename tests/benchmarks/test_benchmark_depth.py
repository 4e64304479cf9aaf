"""The depth benchmark: the timed frames, refused models."""

import numpy as np
import pytest

from benchmarks import depth
from stereojax.cli import InputError
from stereojax.depth.video_depth_windows import key_windows


class Model:
    """An estimator with the windows of a video model; counts them."""

    def __init__(self, per_frame):
        self.per_frame, self.windows = per_frame, 0

    def estimate(self, frames):
        if self.per_frame:
            for frame in frames:
                yield frame[..., 0]
            return
        for window in key_windows(frames):
            self.windows += 1
            begin = 0 if self.windows == 1 else 2
            for frame in window.items[begin : min(window.known, 24)]:
                yield frame[..., 0]


@pytest.mark.parametrize(("per_frame", "windows"), [(True, 0), (False, 2)])
def test_a_video_model_is_timed_over_one_window(monkeypatch, per_frame, windows):
    model = Model(per_frame)
    clock = iter(np.arange(0.0, 1000.0))
    monkeypatch.setattr(depth, "estimator", lambda name: model)
    monkeypatch.setattr(depth, "HEIGHT", 4)
    monkeypatch.setattr(depth, "WIDTH", 6)
    monkeypatch.setattr(depth.time, "perf_counter", lambda: float(next(clock)))
    row = depth.measure("x")
    assert model.windows == windows
    assert row["size"] == "6x4"
    # The clock is read once before and once after.
    assert row["seconds"] == 1 / (depth.PER_FRAME[1] if per_frame else depth.STEP)


def test_other_models_are_refused():
    with pytest.raises(InputError, match="--models=prior: expected a Depth Anything"):
        depth.estimator("prior")

"""Scores of depth: what they must be where it can be told, and a plain NumPy sum."""

import numpy as np
import pytest

from stereojax.metrics.depth import depth_scores


@pytest.fixture(scope="module")
def truth():
    """Inverse depth of a scene that moves; its sky is infinitely far."""
    y, x = np.mgrid[:30, :40]
    frames = []
    for t in range(12):
        frame = 0.2 + y / 60 + 0.5 * (np.abs(x - 5 - 2 * t) < 4)
        frame[:4] = 0
        frames.append(frame.astype(np.float32))
    return frames


def scores(estimate, truth):
    return depth_scores(lambda: zip(estimate, truth, strict=True))


def test_any_one_scale_and_shift_is_right(truth):
    found = scores([3 * f - 7 for f in truth], truth)
    assert found.frames == 12
    assert found.abs_rel < 1e-5 and found.delta1 == 1
    assert found.flicker < 1e-4 and found.breathing < 1e-4
    assert found.scale == pytest.approx(1 / 3, rel=1e-4)
    assert found.shift == pytest.approx(7 / 3, rel=1e-4)


def test_it_is_the_published_sum(truth):
    """All frames in one array; least squares; depth; per frame means."""
    rng = np.random.default_rng(0)
    estimate = [2 * f + rng.normal(0, 0.15, f.shape) for f in truth]
    x, y = np.stack(estimate), np.stack(truth).astype(np.float64)
    valid = y > 0
    line = np.stack([x[valid], np.ones(valid.sum())], axis=1)
    scale, shift = np.linalg.lstsq(line, y[valid], rcond=None)[0]
    aligned = np.maximum(scale * x + shift, y.max() / 100)
    depth, true = 1 / aligned, 1 / np.where(valid, y, 1)
    relative, right = [], []
    for d, t, v in zip(depth, true, valid, strict=True):
        relative.append((np.abs(d - t) / t)[v].mean())
        right.append((np.maximum(d / t, t / d) < 1.25)[v].mean())
    found = scores(estimate, truth)
    assert 0.05 < np.mean(right) < 0.98
    assert found.abs_rel == pytest.approx(np.mean(relative), rel=1e-6)
    assert found.delta1 == pytest.approx(np.mean(right), rel=1e-6)


def test_motion_is_no_flicker_and_breathing_is(truth):
    rng = np.random.default_rng(0)
    sway = rng.normal(0, 0.05, len(truth))
    breathing = scores([f + s for f, s in zip(truth, sway, strict=True)], truth)
    spread = np.ptp(np.stack(truth)[:, 4:])
    expected = 100 * np.abs(np.diff(sway)).mean() / spread
    assert breathing.breathing == pytest.approx(expected, rel=0.05)
    assert breathing.flicker == pytest.approx(expected, rel=0.05)
    # Noise is flicker too, but nothing that all pixels share.
    noise = scores([f + rng.normal(0, 0.05, f.shape) for f in truth], truth)
    assert noise.flicker > 5 and noise.breathing < noise.flicker / 5
    # An error that stays is none of both.
    stays = rng.normal(0, 0.05, truth[0].shape)
    wrong = scores([f + stays for f in truth], truth)
    assert wrong.abs_rel > 0.05
    assert wrong.flicker < 0.1 * noise.flicker


def test_one_line_for_the_clip_and_not_for_each_frame(truth):
    scales = np.linspace(1, 3, len(truth))
    found = scores([s * f for s, f in zip(scales, truth, strict=True)], truth)
    assert found.abs_rel > 0.1


def test_what_is_not_known_does_not_count(truth):
    spoiled, holes = [f.copy() for f in truth], [f.copy() for f in truth]
    for f, h in zip(spoiled, holes, strict=True):
        f[:4] = 1e6  # in the sky
        f[20] = np.nan
        f[22], h[22] = -1e6, np.nan
        h[25] = np.inf
        f[25] = 1e6
    found = scores(spoiled, holes)
    assert found.abs_rel < 1e-5 and found.delta1 == 1


def test_of_nothing_there_are_no_scores(truth):
    with pytest.raises(ValueError, match="no frame with true depth"):
        scores(truth, [np.zeros_like(f) for f in truth])
    with pytest.raises(ValueError, match="no pixel with depth in both"):
        scores([np.full_like(f, np.nan) for f in truth], truth)
    alone = scores(truth[:1], truth[:1])
    assert (alone.flicker, alone.breathing) == (0, 0)

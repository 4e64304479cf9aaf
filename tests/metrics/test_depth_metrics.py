"""Depth scores: known values, and a direct computation in NumPy."""

import numpy as np
import pytest

from stereojax.metrics.depth import depth_scores


@pytest.fixture(scope="module")
def truth():
    """Inverse depth of a moving scene whose sky is infinitely far."""
    y, x = np.mgrid[:30, :40]
    frames = []
    for t in range(12):
        frame = 0.2 + y / 60 + 0.5 * (np.abs(x - 5 - 2 * t) < 4)
        frame[:4] = 0
        frames.append(frame.astype(np.float32))
    return frames


def scores(estimate, truth):
    return depth_scores(lambda: zip(estimate, truth, strict=True))


def test_scale_and_shift_of_the_estimate_do_not_matter(truth):
    result = scores([3 * f - 7 for f in truth], truth)
    assert result.frames == 12
    assert result.abs_rel < 1e-5 and result.delta1 == 1
    assert result.flicker < 1e-4 and result.breathing < 1e-4
    assert result.scale == pytest.approx(1 / 3, rel=1e-4)
    assert result.shift == pytest.approx(7 / 3, rel=1e-4)


def test_scores_equal_the_published_protocol(truth):
    """Computes with all frames in one array: least squares, then means a frame."""
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
    result = scores(estimate, truth)
    assert 0.05 < np.mean(right) < 0.98
    assert result.abs_rel == pytest.approx(np.mean(relative), rel=1e-6)
    assert result.delta1 == pytest.approx(np.mean(right), rel=1e-6)


def test_flicker_counts_breathing_and_noise_but_not_motion(truth):
    rng = np.random.default_rng(0)
    sway = rng.normal(0, 0.05, len(truth))
    breathing = scores([f + s for f, s in zip(truth, sway, strict=True)], truth)
    spread = np.ptp(np.stack(truth)[:, 4:])
    expected = 100 * np.abs(np.diff(sway)).mean() / spread
    assert breathing.breathing == pytest.approx(expected, rel=0.05)
    assert breathing.flicker == pytest.approx(expected, rel=0.05)
    # Noise is flicker too, but not common to all pixels.
    noise = scores([f + rng.normal(0, 0.05, f.shape) for f in truth], truth)
    assert noise.flicker > 5 and noise.breathing < noise.flicker / 5
    # A constant error is neither flicker nor breathing.
    constant_error = rng.normal(0, 0.05, truth[0].shape)
    wrong = scores([f + constant_error for f in truth], truth)
    assert wrong.abs_rel > 0.05
    assert wrong.flicker < 0.1 * noise.flicker


def test_one_scale_serves_the_whole_clip(truth):
    scales = np.linspace(1, 3, len(truth))
    result = scores([s * f for s, f in zip(scales, truth, strict=True)], truth)
    assert result.abs_rel > 0.1


def test_unknown_depth_is_not_scored(truth):
    estimate, holes = [f.copy() for f in truth], [f.copy() for f in truth]
    for f, h in zip(estimate, holes, strict=True):
        f[:4] = 1e6  # in the sky
        f[20] = np.nan
        f[22], h[22] = -1e6, np.nan
        h[25] = np.inf
        f[25] = 1e6
    result = scores(estimate, holes)
    assert result.abs_rel < 1e-5 and result.delta1 == 1


def test_a_clip_without_true_depth_is_refused(truth):
    with pytest.raises(ValueError, match="no frame with true depth"):
        scores(truth, [np.zeros_like(f) for f in truth])
    with pytest.raises(
        ValueError, match="no pixel has both an estimated and a true depth"
    ):
        scores([np.full_like(f, np.nan) for f in truth], truth)
    alone = scores(truth[:1], truth[:1])
    assert (alone.flicker, alone.breathing) == (0, 0)

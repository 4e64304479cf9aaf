"""Flicker is removed; zooms and moving scenes are preserved."""

import numpy as np
import pytest

from stereojax.depth.steady import estimate_changes, steady_corrections
from stereojax.synthetic import make_film

REACH = 12.0
FRAMES = 60


@pytest.fixture(scope="module")
def scene():
    """Inverse depth, with noise, of a rendered scene with moving camera and actors."""
    film = make_film(4, frames=FRAMES, height=72, width=128, shots=1)
    rng = np.random.default_rng(0)
    disparity = np.stack([frame.disparity for frame in film.render()])
    depth = disparity - disparity.min() + 1
    assert np.abs(np.diff(depth, axis=0)).mean() > 1e-3  # the scene moves
    return depth + rng.normal(0, 0.01, depth.shape)


def with_flicker(scene, scale, shift):
    return [
        (a * d + b).astype(np.float32)
        for a, b, d in zip(scale, shift, scene, strict=True)
    ]


def steadied(frames):
    correction = steady_corrections(estimate_changes(iter(frames)), REACH)
    return [a * f + b for f, (a, b) in zip(frames, correction, strict=True)]


def wander(frames, scene):
    """Changes of scale and shift from frame to frame, relative to the depth's range."""
    lines = np.array(
        [
            np.polyfit(d.ravel(), f.ravel(), 1)
            for d, f in zip(scene, frames, strict=True)
        ]
    )
    low, high = np.percentile(scene, [5, 95])
    ends = lines @ np.array([[low, high], [1, 1]])
    return np.abs(np.diff(ends, axis=0)).max(axis=1) / (high - low)


def flicker(kind):
    rng = np.random.default_rng(1)
    if kind == "every frame":
        return np.exp(rng.normal(0, 0.05, FRAMES)), rng.normal(0, 0.1, FRAMES)
    t = np.arange(FRAMES)
    return 1 + 0.08 * np.sin(t / 3), 0.3 * np.cos(t / 4)


@pytest.mark.parametrize("kind", ["every frame", "in waves"])
def test_flicker_is_removed(scene, kind):
    frames = with_flicker(scene, *flicker(kind))
    before, after = (wander(f, scene).mean() for f in (frames, steadied(frames)))
    assert before > 0.01
    assert after < before / 5


def test_depth_without_flicker_changes_little(scene):
    frames = with_flicker(scene, np.ones(FRAMES), np.zeros(FRAMES))
    changed = np.abs(np.array(steadied(frames)) - frames).max()
    assert changed < 0.02 * np.ptp(scene)


@pytest.mark.parametrize("rate", [0.01, -0.008])
def test_a_zoom_or_a_dolly_is_preserved(scene, rate):
    """Slow growth or shrinkage of all depth, by almost half, is not flicker."""
    growth = np.exp(rate * np.arange(FRAMES))
    frames = with_flicker(scene, growth, np.zeros(FRAMES))
    out = steadied(frames)
    ratio = [np.ptp(a) / np.ptp(b) for a, b in zip(out, frames, strict=True)]
    np.testing.assert_allclose(ratio, 1, atol=0.03)
    scale, shift = flicker("every frame")
    steady = steadied(with_flicker(scene, growth * scale, shift))
    ratio = np.array(
        [np.std(a) / np.std(b) for a, b in zip(steady, frames, strict=True)]
    )
    assert np.abs(np.diff(ratio)).max() < 0.02
    assert np.ptp(ratio) < 0.25 * abs(np.log(growth[-1]))


def test_changes_are_estimated_with_an_actor_in_front(scene):
    far, near = scene[0], scene[0].copy()
    near[20:50, 30:60] += 4
    moved = scene[0].copy()
    moved[20:50, 36:66] += 4
    found = estimate_changes(iter([far, near, 1.1 * moved - 0.3]))
    np.testing.assert_allclose(found[0], [1, 0])
    np.testing.assert_allclose(found[1], [1, 0], atol=0.02)
    np.testing.assert_allclose(found[2], [1.1, -0.3], atol=0.02)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_short_shots(scene, count):
    found = estimate_changes(iter(scene[:count]))
    assert found.shape == steady_corrections(found, REACH).shape == (count, 2)


def test_flat_and_empty_frames_give_no_changes():
    flat = [np.full((40, 70), v, np.float32) for v in (1.0, 2.0, 3.0, 1.0)]
    np.testing.assert_array_equal(estimate_changes(iter(flat)), [[1, 0]] * 4)
    empty = [np.full((40, 70), np.nan, np.float32)] * 4
    correction = steady_corrections(estimate_changes(iter(empty)), REACH)
    np.testing.assert_allclose(correction, [[1, 0]] * 4, atol=1e-12)
    rng = np.random.default_rng(0)
    other = [rng.normal(size=(40, 70)) for _ in range(4)]  # cuts at every frame
    np.testing.assert_array_equal(estimate_changes(iter(other)), [[1, 0]] * 4)


def test_a_reach_of_0_gives_no_corrections(scene):
    frames = with_flicker(scene, *flicker("every frame"))
    np.testing.assert_array_equal(
        steady_corrections(estimate_changes(iter(frames)), 0.0)[:, 0], 1
    )


def test_thousands_of_frames_do_not_drift():
    """Estimated changes with a small systematic error do not accumulate."""
    found = np.tile([1.002, 0.001], (5000, 1))
    correction = steady_corrections(found, REACH)
    np.testing.assert_allclose(correction[:, 0], 1, atol=1e-3)

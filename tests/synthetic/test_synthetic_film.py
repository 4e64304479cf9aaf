"""Synthetic videos: seeds, shots, sizes, motion."""

import dataclasses

import numpy as np
import pytest

from stereojax.synthetic import SceneConfig, make_film
from stereojax.synthetic.film import _scene, _world

SMALL = {"height": 45, "width": 80}


def arrays(frame):
    return [getattr(frame, f.name) for f in dataclasses.fields(frame)]


def test_same_seed_gives_equal_frames_in_any_order():
    film = make_film(3, frames=3, shots=1, sets=("park",), **SMALL)
    frames = list(film.render())
    _world.cache_clear()
    _scene.cache_clear()
    again = make_film(3, frames=3, shots=1, sets=("park",), **SMALL)
    assert again == film
    # Render the last frame first.
    late, early = list(again.render(2, 3)), list(again.render(0, 2))
    for frame, repeated in zip(frames, early + late, strict=True):
        for a, b in zip(arrays(frame), arrays(repeated), strict=True):
            np.testing.assert_array_equal(a, b)
    other = next(make_film(4, frames=3, shots=1, sets=("park",), **SMALL).render())
    assert np.abs(other.left - frames[0].left).mean() > 0.05


def test_pictures_change_at_the_cuts():
    film = make_film(1, frames=11, shots=2, sets=("room",), **SMALL)
    (cut,) = film.cuts
    assert [(s.start, s.stop) for s in film.shots] == [(0, cut), (cut, 11)]
    left = np.stack([frame.left for frame in film.render()])
    change = np.abs(np.diff(left, axis=0)).mean(axis=(1, 2, 3))
    within = np.delete(change, cut - 1)
    assert change[cut - 1] > 2 * within.max()
    # Consecutive frames of a shot differ.
    assert within.min() > 1e-3


@pytest.mark.parametrize("frames, shots", [(1, 1), (5, 4), (7, 7), (100, 9)])
def test_every_shot_has_frames(frames, shots):
    for seed in range(20):
        film = make_film(seed, frames=frames, shots=shots, **SMALL)
        assert len(film.shots) == shots
        assert all(len(shot) > 0 for shot in film.shots)
        assert sum(map(len, film.shots)) == frames == len(film)


@pytest.mark.parametrize("height, width", [(1, 1), (33, 47), (80, 45)])
def test_any_size(height, width):
    film = make_film(2, frames=1, shots=1, height=height, width=width)
    (frame,) = film.render()
    assert frame.left.shape == frame.right.shape == (height, width, 3)
    for truth in arrays(frame)[2:]:
        assert truth.shape == (height, width)
        assert np.isfinite(truth).all()


def test_the_scene_does_not_depend_on_the_resolution():
    small, large = (
        next(make_film(2, frames=1, shots=1, height=h, width=16 * h // 9).render())
        for h in (45, 135)
    )
    mean = large.left.reshape(45, 3, 80, 3, 3).mean(axis=(1, 3))
    assert np.abs(mean - small.left).mean() < 0.03
    middle = large.disparity[1::3, 1::3] / 3
    assert np.mean(np.abs(middle - small.disparity) < 0.02) > 0.98


def test_the_camera_moves():
    film = make_film(2, frames=24, shots=1, **SMALL)
    a, *_, b = film.render(0, 6)
    assert np.mean(a.disparity != b.disparity) > 0.5


def test_frames_are_rendered_one_at_a_time():
    film = make_film(2, frames=10**6, shots=1, **SMALL)
    frames = film.render(999_990)
    assert next(frames).left.shape == (45, 80, 3)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"frames": 0}, "frames=0"),
        ({"width": -3}, "width=-3"),
        ({"frames": 2, "shots": 3}, "shots=3"),
        ({"max_disparity_percent": float("nan")}, "max_disparity_percent=nan"),
        ({"frame_rate": 0.0}, "frame_rate=0"),
        ({"sets": ("moon",)}, "sets=moon"),
        ({"sets": ()}, "sets="),
    ],
)
def test_invalid_settings_are_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        SceneConfig(**wrong)
    with pytest.raises(ValueError, match="frames 3:99"):
        list(make_film(0, frames=9, **SMALL).render(3, 99))

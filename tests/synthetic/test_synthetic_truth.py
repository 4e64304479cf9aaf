"""Ground truth of a frame agrees with its pictures."""

import dataclasses

import numpy as np
import pytest

from stereojax.synthetic import make_film
from stereojax.synthetic.camera import View
from stereojax.synthetic.film import SETS, _world
from stereojax.synthetic.render import render_frame

HEIGHT, WIDTH = 120, 214


@pytest.fixture(scope="module", params=list(SETS))
def film(request):
    return make_film(
        5,
        frames=24,
        height=HEIGHT,
        width=WIDTH,
        shots=1,
        sets=(request.param,),
        max_disparity_percent=3.0,
    )


@pytest.fixture(scope="module")
def frame(film):
    return next(film.render(8, 9))


def sample(picture, columns):
    """Samples each row of `picture` (h, w, ...) linearly at fractional columns."""
    columns = np.clip(columns, 0, picture.shape[1] - 1)
    left = np.minimum(columns.astype(int), picture.shape[1] - 2)
    part = (columns - left).reshape(columns.shape + (1,) * (picture.ndim - 2))
    rows = np.arange(len(picture))[:, None]
    return (1 - part) * picture[rows, left] + part * picture[rows, left + 1]


def smooth(disparity, jump=0.3):
    """Returns the pixels away from disparity edges, where interpolation is valid."""
    pad = np.pad(disparity, 1, mode="edge")
    near = [pad[y : y + HEIGHT, x : x + WIDTH] for y in range(3) for x in range(3)]
    return np.max(np.abs(np.array(near) - disparity), axis=0) < jump


def psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


def test_left_warped_by_the_disparity_is_the_right_view(frame):
    columns = np.arange(WIDTH) + frame.right_disparity
    warped = sample(frame.left, columns)
    seen = (frame.occlusion == 0) & smooth(frame.right_disparity)
    assert seen.mean() > 0.6
    good = psnr(warped[seen], frame.right[seen])
    assert good > 33
    # Half a pixel off, or the wrong sign, lowers the PSNR.
    for wrong in (columns + 0.5, 2 * np.arange(WIDTH) - columns):
        assert psnr(sample(frame.left, wrong)[seen], frame.right[seen]) < good - 2
    assert psnr(frame.left[seen], frame.right[seen]) < good - 8


def test_left_and_right_disparity_agree_where_both_see(frame):
    columns = np.arange(WIDTH) + frame.right_disparity
    left_disparity = sample(frame.disparity, columns)
    seen = (frame.occlusion == 0) & smooth(frame.right_disparity, 0.15)
    seen &= sample(smooth(frame.disparity, 0.15), columns) == 1
    assert seen.mean() > 0.5
    assert np.mean(np.abs(left_disparity - frame.right_disparity)[seen] < 0.1) > 0.998


def test_occlusion_follows_from_nearer_pixels_of_the_left_view(frame):
    """Uses the left disparity map only, without ray casting."""
    columns = np.arange(WIDTH) + frame.right_disparity
    outside = (columns < -0.5) | (columns > WIDTH - 0.5)
    assert (frame.occlusion[outside] == 1).all()
    x = np.clip(np.floor(columns).astype(int), 0, WIDTH - 1)
    rows = np.arange(HEIGHT)[:, None]
    neighbors = np.stack(
        [frame.disparity[rows, np.minimum(x + i, WIDTH - 1)] for i in (0, 1)]
    )
    step = 0.25
    hidden = (neighbors > frame.right_disparity + step).all(axis=0)
    clear = (np.abs(neighbors - frame.right_disparity) < step / 3).all(
        axis=0
    ) & ~outside
    assert hidden.sum() > 50
    assert np.mean(frame.occlusion[hidden & ~outside] == 1) > 0.98
    assert np.mean(frame.occlusion[clear] == 0) > 0.995
    assert set(np.unique(frame.occlusion)) == {0.0, 1.0}


def test_occlusion_agrees_with_splatting(frame):
    from stereojax.splat import forward_splat

    splat = forward_splat(frame.left, frame.disparity, sharpness=3.0)
    hole = np.asarray(splat.occlusion)
    pad = np.pad(frame.occlusion, ((0, 0), (1, 1)), mode="edge")
    near = np.stack([pad[:, i : i + WIDTH] for i in range(3)])
    inner, far = near.min(axis=0) == 1, near.max(axis=0) == 0
    assert inner.sum() > 20
    assert np.mean(hole[inner]) > 0.9
    assert np.mean(hole[far] < 0.5) > 0.99
    seen = far & smooth(frame.right_disparity)
    assert psnr(np.asarray(splat.warped)[seen], frame.right[seen]) > 28


def test_both_signs_occur_and_none_exceeds_the_limit(frame):
    for disparity in (frame.disparity, frame.right_disparity):
        assert np.isfinite(disparity).all()
        assert np.abs(disparity).max() <= 0.03 * WIDTH * 1.0001
        assert disparity.min() < -0.5
        assert disparity.max() > 0.5


def test_inverse_depth_is_disparity_up_to_scale_and_shift(frame):
    assert frame.inverse_depth.min() >= 0
    assert 0.2 < frame.inverse_depth.max() <= 1
    a = np.stack([frame.inverse_depth.ravel(), np.ones(HEIGHT * WIDTH)], axis=1)
    scale, shift = np.linalg.lstsq(a, frame.disparity.ravel())[0]
    assert scale > 0
    fitted = scale * frame.inverse_depth + shift
    np.testing.assert_allclose(fitted, frame.disparity, atol=1e-3)


def test_the_pictures_have_texture_and_range(frame):
    for picture in (frame.left, frame.right):
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert 0.2 < picture.mean() < 0.8
        assert picture.std() > 0.1
        # No flat areas: almost every pixel differs from its neighbour.
        assert np.mean(np.abs(np.diff(picture, axis=1)).sum(-1) > 1e-3) > 0.9


def test_actors_move_under_a_fixed_camera(film):
    world = _world(film, 0)
    static = dataclasses.replace(
        world.scene.path, velocity=(0.0, 0.0, 0.0), yaw_rate=0.0, pitch_rate=0.0,
        shake=0.0, sway=0.0,
    )  # fmt: skip
    scene = dataclasses.replace(world.scene, path=static)
    world = dataclasses.replace(world, scene=scene)
    a, b = (render_frame(world, time, HEIGHT, WIDTH) for time in (0.2, 0.7))
    moved = a.disparity != b.disparity
    assert 0.01 < moved.mean() < 0.6
    # Static pixels are equal, except for shadows and filtered edges.
    assert np.mean(np.abs(a.left - b.left).max(-1)[~moved] < 1e-6) > 0.7


def test_bounds_contain_all_of_each_solid(film, monkeypatch):
    """Tracing with the bounds of each solid equals tracing the whole frame."""
    world = _world(film, 0)
    # A wide baseline: disparities much larger than any margin.
    rig = dataclasses.replace(world.rig, baseline=5 * world.rig.baseline)
    world = dataclasses.replace(world, rig=rig)
    height, width = 61, 109
    frame = render_frame(world, 0.8, height, width)
    bounds = np.array([[0.0, width, 0.0, height]])
    monkeypatch.setattr(View, "windows", lambda _, s: bounds.repeat(len(s), 0))
    full = render_frame(world, 0.8, height, width)
    for field in ("disparity", "right_disparity", "occlusion"):
        np.testing.assert_array_equal(getattr(frame, field), getattr(full, field))

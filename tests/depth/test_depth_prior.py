"""The rules of the depth prior, each on a picture that isolates it; stability."""

import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.depth.guided import box_mean, guided_filter
from stereojax.depth.prior import DepthPrior

DATA = Path(__file__).parents[2] / "../shared/data/rollercoaster.mp4"


def depth_of(*frames):
    return list(DepthPrior().estimate(iter(frames)))


def plain(h=90, w=160, color=(120, 140, 160)):
    return np.full((h, w, 3), color, np.uint8)


def room():
    """A wall above a floor, and a dark figure that stands on the floor."""
    picture = plain(color=(200, 195, 185))
    picture[55:] = (120, 80, 50)
    picture[20:75, 70:90] = (30, 40, 70)
    return picture


def test_lower_is_nearer_in_a_plain_picture():
    (depth,) = depth_of(plain())
    assert depth.shape == (90, 160) and depth.dtype == np.float32
    assert (np.diff(depth.mean(1)) > 0).all()


def test_a_standing_figure_is_as_near_as_its_foot():
    (depth,) = depth_of(room())
    head, waist, foot = depth[26:30, 75:85], depth[48:52, 75:85], depth[68:72, 75:85]
    wall = np.concatenate([depth[26:30, 30:50], depth[26:30, 110:130]])
    floor_beside = depth[68:72, 20:50]
    assert head.min() - wall.max() > 0.2
    assert abs(foot.mean() - floor_beside.mean()) < 0.1
    # Over these rows the floor's depth changes by more than the figure's.
    assert foot.mean() - head.mean() < 0.7 * (70 - 28) / 90
    assert head.mean() < waist.mean() < foot.mean()


def test_edges_of_depth_are_at_edges_of_the_picture():
    (depth,) = depth_of(room())
    rise = np.abs(np.diff(depth[30:50].mean(0)))
    assert set(np.argsort(rise)[-2:]) == {69, 89}
    assert rise[[69, 89]].min() > 4 * rise[:60].max()


def test_sky_below_an_object_is_background_by_its_color():
    picture = plain(color=(110, 160, 220))
    picture[40:48] = (90, 50, 30)
    (depth,) = depth_of(picture)
    # The lower sky is farther than the object above it.
    assert depth[44].min() - depth[60].max() > 0.03


def test_a_face_that_touches_the_top_is_not_the_background():
    picture = plain(color=(70, 90, 80))
    picture[:80, 60:100] = (220, 180, 160)
    (depth,) = depth_of(picture)
    assert depth[20, 75:85].min() > depth[20, :40].max() + 0.1


def test_black_bars_do_not_hide_the_sky():
    picture = room()
    (bare,) = depth_of(picture)
    barred = np.concatenate([plain(14, color=(0, 0, 0)), picture])
    (depth,) = depth_of(barred)
    head, wall = depth[14 + 28, 80], depth[14 + 28, 40]
    assert head - wall > 0.8 * (bare[28, 80] - bare[28, 40]) > 0.15


@pytest.mark.parametrize(
    ("h", "w", "size"),
    [
        (1, 1, (1, 1)),
        (35, 7, (35, 7)),
        (101, 1025, (34, 342)),
    ],
)
def test_any_size_is_reduced_to_at_most_512(h, w, size):
    frame = np.random.default_rng(0).integers(0, 256, (h, w, 3)).astype(np.uint8)
    (depth,) = depth_of(frame)
    assert depth.shape == size and np.isfinite(depth).all()


def test_8_and_16_bits_give_the_same_depth():
    (depth,) = depth_of(room())
    (deep,) = depth_of(room().astype(np.uint16) * 257)
    np.testing.assert_allclose(deep, depth, atol=1e-4)


def test_black_and_white_frames_are_finite():
    for value in (0, 255):
        (depth,) = depth_of(plain(color=(value,) * 3))
        assert np.isfinite(depth).all() and 0 <= depth.min() < depth.max() <= 1


def test_camera_noise_changes_depth_little():
    rng = np.random.default_rng(0)
    frames = [
        np.clip(room() + rng.normal(0, 3, (90, 160, 3)), 0, 255).astype(np.uint8)
        for _ in range(3)
    ]
    for one, two in itertools.pairwise(depth_of(*frames)):
        assert np.abs(one - two).mean() < 0.015 and np.abs(one - two).max() < 0.15


def test_depth_moves_with_a_figure():
    pictures = [np.roll(room(), shift, axis=1) for shift in (0, 3)]
    one, two = depth_of(*pictures)
    moved = np.abs(np.roll(one, 3, axis=1) - two)[:, 40:120]
    assert moved.mean() < 0.01 < np.abs(one - two)[:, 40:120].mean()


def test_frames_are_independent():
    frames = [room(), plain(), room()[:, ::-1]]
    for frame, depth in zip(frames, depth_of(*frames), strict=True):
        np.testing.assert_array_equal(depth_of(frame)[0], depth)
    assert (DepthPrior.name, DepthPrior.per_frame) == ("prior", True)


def test_depth_of_a_real_film_follows_its_content_and_is_stable():
    if not DATA.exists():
        pytest.skip(f"{DATA.name} is missing")
    import av

    with av.open(DATA) as film:
        frames = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)][30:36]
    depth = depth_of(*frames)
    small = frames[0][::2, ::2].astype(int)
    sky = small[..., 2] - small[..., 0] > 60  # the rest is steel, and a cloud
    rows = [r for r in range(40, 230) if 40 < sky[r].sum() < 440]
    gaps = [depth[0][r][~sky[r]].mean() - depth[0][r][sky[r]].mean() for r in rows]
    assert len(rows) > 100 and np.mean(gaps) > 0.2 and np.min(gaps) > 0
    span = np.ptp(np.percentile(depth[0], [1, 99]))
    for one, two in itertools.pairwise(depth):
        # The camera pans: the picture changes by more than 5 % of its range.
        assert np.abs(one - two).mean() < 0.06 * span


def test_box_mean_is_the_mean_of_the_window_inside_the_picture():
    x = np.random.default_rng(0).standard_normal((9, 13, 2)).astype(np.float32)
    got = box_mean(jnp.asarray(x), 3)
    for r, c in [(0, 0), (4, 6), (8, 12), (1, 11)]:
        window = x[max(r - 3, 0) : r + 4, max(c - 3, 0) : c + 4]
        np.testing.assert_allclose(got[r, c], window.mean((0, 1)), atol=1e-5)


def test_the_guided_filter_smooths_within_a_color_and_keeps_edges():
    rng = np.random.default_rng(0)
    guide = np.zeros((64, 96, 3), np.float32)
    guide[:, 48:] = (0.6, 0.3, 0.1)
    step = np.where(np.arange(96) < 48, 0.2, 0.8)[None, :, None]
    noisy = (step + rng.normal(0, 0.1, (64, 96, 1))).astype(np.float32)
    smooth = jax.jit(guided_filter, static_argnames=("radius", "epsilon"))
    got = np.asarray(smooth(guide, noisy, radius=12, epsilon=1e-4))
    assert np.abs(got - step).max() < 0.06 and np.abs(noisy - step).max() > 0.3
    # Functions that are linear in the guide's colours do not change.
    colors = rng.uniform(0, 1, (64, 96, 3)).astype(np.float32)
    colors = np.repeat(np.repeat(colors[::4, ::4], 4, 0), 4, 1)  # constant per block
    linear = colors @ np.array([[0.5], [-0.2], [0.9]], np.float32) + 0.1
    got = smooth(colors, linear, radius=12, epsilon=1e-7)
    np.testing.assert_allclose(got, linear, atol=1e-3)

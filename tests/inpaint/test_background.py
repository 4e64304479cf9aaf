"""The background fill: known pixels, continued structures, stability."""

import cv2
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stereojax.inpaint.background import fill_background
from stereojax.stage_types import HOLE, is_hole


def filled(picture: np.ndarray, hole: np.ndarray, **options) -> np.ndarray:
    """Fills one picture after its hole is emptied."""
    warped = np.where(hole[..., None], 0, picture).astype(np.float32)
    frames = warped[None], hole[None].astype(np.float32)
    return np.asarray(fill_background(*map(jnp.asarray, frames), **options)[0])


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Returns soft random colours between 0.1 and 0.9."""
    noise = np.random.default_rng(seed).random((height, width, 3), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 3)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    return 0.1 + 0.8 * soft


def hole_of(kind: str, height: int = 60, width: int = 90) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    if kind == "inner":
        hole[10:50, 30:50] = True
    elif kind == "left band":
        hole[:, :12] = True
    elif kind == "right band":
        hole[:, -12:] = True
    elif kind == "rows":
        hole[20:30] = True
    elif kind == "last row":
        hole[-1] = True
    elif kind == "all":
        hole[:] = True
    elif kind == "all but one":
        hole[:] = True
        hole[40, 70] = False
    elif kind == "scattered":
        hole = np.random.default_rng(1).random((height, width)) < 0.6
    return hole


KINDS = ("inner", "left band", "right band", "rows", "last row", "scattered")


@pytest.mark.parametrize("kind", [*KINDS, "none", "all but one"])
def test_constant_stays_constant(kind):
    color = np.array([0.2, 0.5, 0.8], np.float32)
    picture = np.broadcast_to(color, (60, 90, 3))
    np.testing.assert_allclose(filled(picture, hole_of(kind)), picture, atol=1e-6)


@pytest.mark.parametrize("kind", [*KINDS, "none", "all", "all but one"])
def test_known_pixels_stay_bit_for_bit_and_no_pixel_stays_empty(kind):
    picture, hole = texture(60, 90), hole_of(kind)
    result = filled(picture, hole)
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    assert np.isfinite(result).all()
    # A mean of known colours is neither darker nor brighter than all of them.
    known = picture[~hole] if (~hole).any() else np.full((1, 3), 0.5)
    assert (result >= known.min(axis=0) - 1e-5).all()
    assert (result <= known.max(axis=0) + 1e-5).all()


def test_the_values_inside_a_hole_are_not_read():
    picture, hole = texture(60, 90), hole_of("inner")
    junk = np.where(hole[..., None], 9, picture).astype(np.float32)[None]
    other = np.asarray(
        fill_background(jnp.asarray(junk), jnp.asarray(hole[None] * 1.0))
    )
    np.testing.assert_array_equal(other[0], filled(picture, hole))


def test_the_threshold_separates_hole_from_known():
    picture = texture(20, 30)
    occlusion = np.zeros((20, 30), np.float32)
    occlusion[5:15, 10:13] = HOLE - 0.01
    occlusion[5:15, 13:16] = HOLE
    frames = jnp.asarray(picture)[None], jnp.asarray(occlusion)[None]
    result = np.asarray(fill_background(*frames)[0])
    changed = (result != picture).any(axis=-1)
    np.testing.assert_array_equal(changed, is_hole(occlusion))


def test_a_vertical_ramp_continues_through_the_hole():
    ramp = np.linspace(0.1, 0.9, 60, dtype=np.float32)[:, None, None]
    picture = np.broadcast_to(ramp, (60, 90, 3))
    hole = hole_of("inner")
    error = np.abs(filled(picture, hole) - picture)[hole]
    # Each row is known exactly; blending rows only rounds the ends off.
    assert error.max() < 0.04
    assert error.mean() < 0.01


def test_a_membrane_spans_a_linear_ramp():
    """With many steps; its ends are similar, so all ties are nearly full."""
    ramp = 0.5 + 0.004 * np.arange(11, dtype=np.float32)[None, :, None]
    picture = np.broadcast_to(ramp, (40, 11, 3))
    hole = np.zeros((40, 11), bool)
    hole[:, 3:8] = True
    result = filled(picture, hole, steps=300, row_share=0.0)
    np.testing.assert_allclose(result, picture, atol=2e-4)
    # Without steps it does not.
    assert np.abs(filled(picture, hole, steps=0, row_share=0.0) - picture).max() > 0.015


def test_a_horizontal_edge_continues_into_the_hole():
    picture = np.where(np.arange(60)[:, None, None] < 31, 0.1, 0.9)
    picture = np.broadcast_to(picture, (60, 90, 3)).astype(np.float32)
    hole = hole_of("inner")
    result = filled(picture, hole)
    middle = result[30:32, 40].mean(axis=-1)
    assert middle[0] < 0.2
    assert middle[1] > 0.8


def test_the_foreground_does_not_leak_into_the_hole():
    """A red figure at the left of the hole, a green background at its right."""
    red, green = np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.7, 0.2])
    picture = np.where((np.arange(90) < 30)[None, :, None], red, green)
    picture = np.broadcast_to(picture, (60, 90, 3)).astype(np.float32)
    hole = np.zeros((60, 90), bool)
    hole[:, 30:45] = True
    result = filled(picture, hole)[hole]
    assert np.abs(result - green).max() < 0.03
    assert np.abs(result - green).mean() < 0.003


@pytest.mark.parametrize("kind", ["inner", "right band"])
def test_a_static_scene_does_not_flicker(kind):
    """Noise of the known pixels is weakened in the hole."""
    sigma = 1 / 255
    picture, hole = texture(60, 90), hole_of(kind)
    rng = np.random.default_rng(0)
    noisy = picture + sigma * rng.standard_normal((24, *picture.shape))
    warped = np.where(hole[..., None], 0, noisy).astype(np.float32)
    occlusion = np.broadcast_to(hole.astype(np.float32), warped.shape[:3])
    result = np.asarray(fill_background(jnp.asarray(warped), jnp.asarray(occlusion)))
    spread = result[:, hole].std(axis=0)
    assert spread.mean() < 0.8 * sigma
    assert np.quantile(spread, 0.99) < 1.3 * sigma


@pytest.mark.parametrize("at_once", [1, 2])
def test_frames_are_filled_independently(at_once):
    pictures = np.stack([texture(30, 40, seed) for seed in range(3)])
    holes = np.stack([np.roll(hole_of("inner", 30, 40), 3 * i, 1) for i in range(3)])
    holes[:, 10:20, 15:22] = True
    frames = [jnp.asarray(pictures), jnp.asarray(holes * 1.0)]
    together = fill_background(*frames, frames_at_once=at_once)
    for i in range(3):
        alone = fill_background(*(x[i : i + 1] for x in frames))
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)


def test_wide_holes_are_filled_to_their_ends():
    """300 pixels wide, without fading to black or grey."""
    picture = np.full((24, 420, 3), 0.1, np.float32)
    picture[:, 350:] = [0.9, 0.6, 0.3]
    hole = np.zeros((24, 420), bool)
    hole[4:20, 50:350] = True
    result = filled(picture, hole)
    np.testing.assert_allclose(result[12, 60], [0.9, 0.6, 0.3], atol=0.02)


def test_small_pictures_average_over_less():
    """Settings in pixels scale with the width: fills of both sizes are alike."""
    large, hole = texture(96, 512), np.zeros((96, 512), bool)
    hole[20:80, 200:240] = True
    small = cv2.resize(large, (256, 48), interpolation=cv2.INTER_AREA)
    shrunk = cv2.resize(filled(large, hole), (256, 48), interpolation=cv2.INTER_AREA)
    result = filled(small, hole[::2, ::2])
    inside = hole[::2, ::2]
    assert np.abs(result - shrunk)[inside].mean() < 0.02


@settings(deadline=None, max_examples=8)
@given(
    size=st.sampled_from([(1, 1), (2, 3), (7, 10)]),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_any_size(size, share, seed):
    height, width = size
    rng = np.random.default_rng(seed)
    picture = rng.random((height, width, 3), np.float32)
    hole = rng.random((height, width)) < share
    result = filled(picture, hole)
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    assert np.isfinite(result).all()
    if (~hole).any():
        assert (result >= picture[~hole].min(axis=0) - 1e-5).all()

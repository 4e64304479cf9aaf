"""Compose: known pixels do not change, holes are filled, the seam is a ramp."""

import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint.background import fill_background
from stereojax.inpaint.compose import compose, composite, fill_share


def scene(height: int = 40, width: int = 1024, seed: int = 0):
    """Returns (warped, occlusion, fill) of two frames, 1024 pixels wide."""
    rng = np.random.default_rng(seed)
    warped, fill = 0.2 + 0.8 * rng.random((2, 2, height, width, 3), np.float32)
    hole = np.zeros((2, height, width), bool)
    hole[0, 10:20, 300:330] = True
    hole[1, 5:9, :7] = True
    occlusion = hole.astype(np.float32)
    occlusion[0, 10:20, 299] = 0.4  # an edge pixel that is 60 % covered is known
    return np.where(hole[..., None], 0, warped).astype(np.float32), occlusion, fill


def distance_to(hole: np.ndarray) -> np.ndarray:
    """Returns the Euclidean distance of each pixel to the hole, by brute force."""
    y, x = np.nonzero(hole)
    rows, columns = np.indices(hole.shape)
    square = (rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2
    return np.sqrt(square.min(axis=-1))


@pytest.mark.parametrize("dilate, feather", [(0, 0), (1, 4), (3, 0), (2.5, 1.5)])
def test_known_pixels_are_warped_and_holes_are_fill(dilate, feather):
    warped, occlusion, fill = scene()
    right = np.asarray(
        compose(*map(jnp.asarray, scene()), dilate=dilate, feather=feather)
    )
    for i in range(2):
        distance = distance_to(occlusion[i] > 0.5)
        outside = distance >= dilate + max(feather, 1e-3)
        inside = distance <= dilate
        np.testing.assert_array_equal(right[i][outside], warped[i][outside])
        np.testing.assert_array_equal(right[i][inside], fill[i][inside])
        if feather:
            between = ~outside & ~inside
            assert (right[i][between] != warped[i][between]).all()


def test_fill_share_decreases_linearly_with_the_distance_to_the_hole():
    _, occlusion, _ = scene()
    share = np.asarray(fill_share(jnp.asarray(occlusion), dilate=2, feather=5))
    for i in range(2):
        expected = np.clip(1 - (distance_to(occlusion[i] > 0.5) - 2) / 5, 0, 1)
        np.testing.assert_allclose(share[i], expected, atol=1e-6)


def test_dilate_and_feather_scale_with_the_width():
    occlusion = np.zeros((1, 40, 256), np.float32)
    occlusion[0, 10:30, 100:120] = 1
    share = np.asarray(fill_share(jnp.asarray(occlusion), dilate=8, feather=16))
    expected = np.clip(1 - (distance_to(occlusion[0] > 0.5) - 2) / 4, 0, 1)
    np.testing.assert_allclose(share[0], expected, atol=1e-6)


def test_the_black_of_holes_is_never_blended_in():
    """No pixel is darker than both its known colour and its fill."""
    warped, occlusion, fill = scene()
    right = np.asarray(compose(*map(jnp.asarray, (warped, occlusion, fill))))
    hole = (occlusion > 0.5)[..., None]
    darkest = np.where(hole, fill, np.minimum(warped, fill))
    assert (right >= darkest - 1e-6).all()


def test_a_background_fill_composes_to_itself():
    """The fill equals the known pixels outside holes, so the seam has no effect."""
    warped, occlusion, _ = scene()
    warped, occlusion = jnp.asarray(warped), jnp.asarray(occlusion)
    fill = fill_background(warped, occlusion)
    np.testing.assert_array_equal(compose(warped, occlusion, fill), fill)


def test_composite_is_linear_in_the_share_and_exact_at_0_and_1():
    warped, _, fill = (jnp.asarray(x) for x in scene())
    share = np.zeros(warped.shape[:3], np.float32)
    share[:, :10], share[:, 10:20] = 1, 0.25
    right = composite(warped, fill, jnp.asarray(share))
    np.testing.assert_array_equal(right[:, :10], fill[:, :10])
    mixed = 0.75 * warped[:, 10:20] + 0.25 * fill[:, 10:20]
    np.testing.assert_allclose(right[:, 10:20], mixed, atol=1e-6)
    np.testing.assert_array_equal(right[:, 20:], warped[:, 20:])


@pytest.mark.parametrize("occluded", [0.0, 1.0])
def test_all_known_and_all_hole(occluded):
    warped, _, fill = (x[:, :5, 100:107] for x in scene())
    occlusion = np.full((2, 5, 7), occluded, np.float32)
    right = compose(*map(jnp.asarray, (warped, occlusion, fill)))
    np.testing.assert_array_equal(right, fill if occluded else warped)


def test_an_occlusion_below_one_half_is_not_a_hole():
    warped, occlusion, fill = scene()
    occlusion = np.where(occlusion == 1, np.float32(0.49), occlusion)
    frames = [jnp.asarray(x) for x in (warped, occlusion, fill)]
    np.testing.assert_array_equal(compose(*frames), warped)
    frames[1] = jnp.where(occlusion > 0.4, 0.5, occlusion)
    right = np.asarray(compose(*frames, dilate=0, feather=0))
    np.testing.assert_array_equal(right[occlusion > 0.4], fill[occlusion > 0.4])

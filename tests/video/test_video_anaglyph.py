"""Anaglyph colours of each kind."""

import numpy as np
import pytest

from stereojax.video.stereo.anaglyph import KINDS, anaglyph


def views(dtype=np.uint8):
    top = np.iinfo(dtype).max
    shape = (2, 9, 11, 3)
    return np.random.default_rng(1).integers(0, top, shape, dtype, endpoint=True)


def srgb_to_linear(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(v):
    return np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055)


def dubois(left, right):
    """Computes the mix in float64 from the numbers of the 2009 paper."""
    to_left = [[437, 449, 164], [-62, -62, -24], [-48, -50, -17]]
    to_right = [[-11, -32, -7], [377, 761, 9], [-26, -93, 1234]]
    mixed = srgb_to_linear(left) @ np.array(to_left).T / 1000
    mixed = mixed + srgb_to_linear(right) @ np.array(to_right).T / 1000
    return linear_to_srgb(np.clip(mixed, 0, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_dubois_mixes_linear_light(dtype):
    left, right = views(dtype)
    top = np.iinfo(dtype).max
    expected = dubois(left / top, right / top) * top
    # Half a code value; in 16 bits the 65536-level table is coarser in dark areas.
    tolerance = 0.51 if dtype == np.uint8 else 8
    np.testing.assert_allclose(anaglyph(left, right), expected, atol=tolerance)


def test_color_takes_red_from_the_left_and_green_and_blue_from_the_right():
    left, right = views()
    image = anaglyph(left, right, "color")
    np.testing.assert_array_equal(image[..., 0], left[..., 0])
    np.testing.assert_array_equal(image[..., 1:], right[..., 1:])


def test_half_color_and_optimized_change_the_left_eye_only():
    left, right = views()
    for kind, weights in (
        ("half_color", (299, 587, 114)),
        ("optimized", (0, 700, 300)),
    ):
        image = anaglyph(left, right, kind)
        red = left @ np.array(weights) / 1000
        np.testing.assert_allclose(image[..., 0], red, atol=0.51)
        np.testing.assert_array_equal(image[..., 1:], right[..., 1:])


def test_gray_and_true_show_the_luma_of_each_view():
    left, right = views()
    luma = (
        left @ np.array([299, 587, 114]) / 1000,
        right @ np.array([299, 587, 114]) / 1000,
    )
    gray = anaglyph(left, right, "gray")
    np.testing.assert_allclose(gray[..., 0], luma[0], atol=0.51)
    np.testing.assert_allclose(gray[..., 1], luma[1], atol=0.51)
    np.testing.assert_allclose(gray[..., 2], luma[1], atol=0.51)
    true = anaglyph(left, right, "true")
    np.testing.assert_allclose(true[..., 0], luma[0], atol=0.51)
    assert not true[..., 1].any()
    np.testing.assert_allclose(true[..., 2], luma[1], atol=0.51)


@pytest.mark.parametrize("kind", KINDS)
def test_black_and_white_are_kept(kind):
    black = np.zeros((2, 2, 3), np.uint8)
    white = np.full((2, 2, 3), 255, np.uint8)
    assert not anaglyph(black, black, kind).any()
    image = anaglyph(white, white, kind)
    # Dubois' white is not quite white, and "true" has no green.
    channels = [0, 2] if kind == "true" else [0, 1, 2]
    assert image[..., channels].min() >= 250


@pytest.mark.parametrize("kind", KINDS)
def test_each_filter_passes_one_view(kind):
    """Only the left view is bright in red, only the right one in cyan."""
    white = np.full((1, 1, 3), 255, np.uint8)
    black = np.zeros((1, 1, 3), np.uint8)
    only_left = anaglyph(white, black, kind)[0, 0].astype(int)
    only_right = anaglyph(black, white, kind)[0, 0].astype(int)
    assert only_left[0] >= 250 and only_left[1:].max() == 0
    assert only_right[0] == 0 and only_right[2] >= 250

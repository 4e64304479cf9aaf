"""Packed pictures of each layout: sizes, positions and resampling."""

import numpy as np
import pytest

from stereojax.settings.infer import LAYOUTS
from stereojax.video.stereo.layouts import left_corner, pack, packed_size


def views(width=10, height=6, dtype=np.uint8):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    shape = (2, height, width, 3)
    return rng.integers(0, top, shape, dtype, endpoint=True)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(10, 6), (11, 7), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_packed_pictures_have_the_packed_size(layout, size, dtype):
    left, right = views(*size, dtype)
    images = pack(left, right, layout)
    assert len(images) == (2 if layout == "left_right_files" else 1)
    for image in images:
        assert image.shape[1::-1] == packed_size(*size, layout)
        assert image.dtype == dtype


def test_sizes():
    assert packed_size(1920, 1080, "full_sbs") == (3840, 1080)
    assert packed_size(1920, 1080, "half_sbs") == (1920, 1080)
    assert packed_size(961, 540, "half_sbs") == (962, 540)
    assert packed_size(960, 541, "full_tb") == (960, 1082)
    assert packed_size(960, 541, "half_tb") == (960, 542)
    assert packed_size(960, 541, "right") == (960, 541)


def test_full_layouts_keep_both_views_unchanged():
    left, right = views()
    (image,) = pack(left, right, "full_sbs")
    np.testing.assert_array_equal(image[:, :10], left)
    np.testing.assert_array_equal(image[:, 10:], right)
    (image,) = pack(left, right, "cross_eyed")
    np.testing.assert_array_equal(image[:, :10], right)
    np.testing.assert_array_equal(image[:, 10:], left)
    (image,) = pack(left, right, "full_tb")
    np.testing.assert_array_equal(image[:6], left)
    np.testing.assert_array_equal(image[6:], right)
    np.testing.assert_array_equal(pack(left, right, "right")[0], right)
    np.testing.assert_array_equal(pack(left, right, "left_right_files"), [left, right])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_left_corner_is_the_position_of_the_left_view(layout):
    left, right = views()
    corner = left_corner(10, 6, layout)
    image = pack(left, right, layout)[0]
    found = [
        (x, y)
        for y in range(image.shape[0] - 5)
        for x in range(image.shape[1] - 9)
        if np.array_equal(image[y : y + 6, x : x + 10], left)
    ]
    assert found == ([corner] if corner else [])


def wave(width, period):
    x = np.arange(width)
    row = 127.5 + 100 * np.cos(2 * np.pi * (x + 0.5) / period)
    return np.repeat(np.rint(row)[None, :, None], 4, 0).repeat(3, 2).astype(np.uint8)


@pytest.mark.parametrize("layout", ["half_sbs", "half_tb"])
def test_half_layouts_keep_low_and_drop_aliasing_frequencies(layout):
    def squeezed(view):
        view = view if layout == "half_sbs" else view.swapaxes(0, 1)
        (image,) = pack(view, np.zeros_like(view), layout)
        image = image if layout == "half_sbs" else image.swapaxes(0, 1)
        assert not image[:, 32:].any()
        return image[0, :32, 0].astype(float)

    # A period of 16 pixels becomes one of 8, in place.
    expected = 127.5 + 100 * np.cos(2 * np.pi * (np.arange(32) + 0.5) / 8)
    np.testing.assert_allclose(squeezed(wave(64, 16)), expected, atol=4)
    # Black and white columns alternate: only their mean remains.
    stripes = np.zeros((4, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    np.testing.assert_allclose(squeezed(stripes)[4:-4], 127.5, atol=1)


def test_half_of_an_odd_width_extends_the_last_column():
    view = np.full((4, 7, 3), 90, np.uint8)
    (image,) = pack(view, view, "half_sbs")
    np.testing.assert_array_equal(image, np.full((4, 8, 3), 90))


def test_half_layouts_do_not_wrap_around():
    step = np.zeros((4, 16, 3), np.uint8)
    step[:, 8:] = 255  # Lanczos overshoots at a step
    (image,) = pack(step, step, "half_sbs")
    assert image[:, :3].max() == 0
    assert image[:, 5:8].min() == 255


def test_unequal_views_and_unknown_layouts_are_errors():
    left, right = views()
    with pytest.raises(ValueError, match="two views of one size"):
        pack(left, right.astype(np.uint16), "full_sbs")
    with pytest.raises(ValueError, match="full_sbs, half_sbs"):
        pack(left, right, "sbs")
    with pytest.raises(ValueError, match="full_sbs, half_sbs"):
        packed_size(2, 2, "sbs")

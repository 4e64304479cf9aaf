"""Borders, parallax, and the crop and scale of each view."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import stereo_films

from data_prep.film_summary import RefusalError
from data_prep.stages.borders import CropBox, FindBorders
from data_prep.stages.fit import Fit, check_size, resize
from data_prep.stages.parallax import FindParallax, Parallax
from stereojax.settings.data import DataSettings
from stereojax.stage_types import VideoInfo


def noisy(height=90, width=160, frames=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(30, 220, (frames, height, width, 3), dtype=np.uint8)


def test_both_views_get_the_same_box_without_borders():
    left, right = noisy(), noisy(seed=1)
    left[:, :12], right[:, :12] = 0, 0  # letterbox
    left[:, -10:], right[:, -10:] = 0, 0
    left[:, :, :7] = 0  # a floating window, in one eye only
    right[:, :, -5:] = (200, 30, 30)  # a border that is not black
    box = FindBorders()(list(zip(left, right, strict=True)))
    # Each side is cut by three more lines, over which coding blurs the edge.
    assert box == CropBox(10, 15, 160 - 8, 90 - 13)


def test_letterboxes_are_found_in_compressed_films(tmp_path):
    from stereojax.video.reading.index import index_video
    from stereojax.video.reading.reader import read_frames

    left, right, _ = stereo_films.scene()
    bars = np.zeros((len(left), 24, 320, 3), np.uint8)
    left, right = (np.concatenate([bars, v, bars], axis=1) for v in (left, right))
    pictures = stereo_films.pack(left, right)
    index = index_video(stereo_films.write(tmp_path / "f.mp4", pictures, crf=28))
    views = [tuple(np.split(f.image, 2, axis=1)) for f in read_frames(index, 0, 3)]
    box = FindBorders()(views)
    assert (box.left, box.right) == (0, 320)
    assert 24 <= box.top <= 27
    assert 201 <= box.bottom <= 204


def test_skies_and_dark_scenes_are_no_borders():
    pictures = noisy()
    fade = np.linspace(150, 110, 40)[:, None, None].astype(np.uint8)
    pictures[:, :40] = fade  # lines of one colour, but no edge below
    pictures[:, 40:60] = 110
    assert FindBorders()([(p, p) for p in pictures]) == CropBox(0, 0, 160, 90)
    pictures[:, :60] = 3  # two thirds: more than the limit
    assert FindBorders()([(p, p) for p in pictures]) == CropBox(0, 0, 160, 90)
    pictures = noisy()
    pictures[0, :10] = 0  # dark in one picture only
    assert FindBorders()([(p, p) for p in pictures]) == CropBox(0, 0, 160, 90)


@pytest.mark.parametrize("shift", [-40, -23, -7, 0, 7, 23, 40])
def test_planted_shifts_are_found_within_a_pixel(shift):
    left, right, truth = stereo_films.scene(seed=2, frames=2, width=640, height=360)
    pairs = list(zip(*stereo_films.plant(left, right, shift), strict=True))
    parallax = FindParallax()(pairs)
    assert abs(-parallax.shift - (float(truth.min()) + shift)) <= 1
    assert np.percentile(truth, 99) < parallax.high - shift < truth.max() + 1


def test_the_shift_makes_the_minimum_at_least_zero():
    for low, shift in ((-3.4, 4), (-3.0, 3), (3.4, -3), (0.0, 0)):
        assert Parallax(low, low + 9, share=1.0, spread=1.0).shift == shift


def test_mismatches_do_not_change_the_minimum():
    left, right, truth = stereo_films.scene(seed=2, frames=2, width=640, height=360)
    right = right.copy()
    # A small patch that is displaced by 60 px, like a reflection.
    right[:, 100:112, 300:330] = left[:, 100:112, 240:270]
    parallax = FindParallax()(list(zip(left, right, strict=True)))
    assert abs(-parallax.shift - float(truth.min())) <= 1


def test_parallax_measures_views_that_are_no_stereo_pair():
    left, right, _ = stereo_films.scene()
    flat = FindParallax()([(left[0], left[0])])
    assert flat.spread < 0.05 and flat.share > 0.9
    assert FindParallax()([(left[0], right[0])]).spread > 0.5
    unlike = FindParallax()([(left[0], noisy(180, 320)[0])])
    assert unlike is None or unlike.share < 0.4
    gray = np.full((90, 160, 3), 128, np.uint8)
    assert FindParallax()([(gray, gray)]) is None


@pytest.mark.parametrize("shift", [-9, 0, 14])
def test_the_shift_moves_the_right_view_left_and_crops_both_views(shift):
    # A point of the scene at x in the left view is at x + shift in the right view.
    x = np.arange(200)
    left = np.broadcast_to(x[None, :, None], (100, 200, 3)).astype(np.uint8)
    right = np.broadcast_to(x[None, :, None] - shift, (100, 200, 3)).astype(np.uint8)
    fit = Fit.plan(CropBox(0, 0, 200, 100), shift, Fraction(1), 160, 90)
    boxes = fit.left, fit.right
    assert fit.right.left - fit.left.left == shift
    assert all(b.left >= 0 and b.right <= 200 for b in boxes)
    assert fit.left.width == fit.right.width
    views = fit(left, right)
    assert views[0].shape == (90, 160, 3)
    np.testing.assert_array_equal(*views)


@pytest.mark.parametrize(
    ("size", "aspect", "crop"),
    [
        ((1920, 1080), Fraction(1), (1920, 1080)),
        ((960, 1080), Fraction(2), (960, 1080)),  # half side by side
        ((1920, 540), Fraction(1, 2), (1920, 540)),  # half one above the other
        ((1920, 800), Fraction(1), (1422, 800)),  # scope: the sides are cropped
        ((960, 720), Fraction(1), (960, 540)),  # 4:3: top and bottom are cropped
    ],
)
def test_the_crop_is_centred_and_has_the_shape_of_the_record(size, aspect, crop):
    fit = Fit.plan(CropBox(0, 0, *size), 0, aspect, 1024, 576)
    assert (fit.left.width, fit.left.height) == crop
    middle = (fit.left.left + fit.left.right) / 2, (fit.left.top + fit.left.bottom) / 2
    assert middle == (size[0] / 2, size[1] / 2)
    assert fit.scale == pytest.approx(1024 / crop[0])


def test_resize_averages_a_shrinking_axis_while_the_other_grows():
    rows = np.zeros((64, 16, 3), np.uint8)
    rows[::2] = 200  # stripes too fine for the result: they become gray
    small = resize(rows, 32, 16)
    assert small.shape == (16, 32, 3)
    np.testing.assert_allclose(small, 100, atol=1)


def test_films_below_the_size_of_the_record_are_refused():
    info = VideoInfo(
        Path("film.mkv"), 640, 360, Fraction(24), Fraction(1, 24), 1.0, "yuv420p", 8
    )
    settings = DataSettings(width=1024, height=576)
    check_size(info, (576, 1024), Fraction(1), settings)
    check_size(info, (720, 640), Fraction(2), settings)  # half of 720 lines
    with pytest.raises(
        RefusalError, match=r"film\.mkv: 640x360 .* 1024x576.*1\.25"
    ) as e:
        check_size(info, (360, 640), Fraction(1), settings)
    assert e.value.name == "too_small"
    check_size(info, (360, 640), Fraction(1), DataSettings(max_enlarge=2.0))

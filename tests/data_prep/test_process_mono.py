"""Whole ordinary films to records: the other eye is made, the frame is the truth."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import stereo_films

from data_prep import mono_film
from data_prep.film_summary import Refused
from data_prep.process import process
from data_prep.stages.other_eye import OtherEye
from stereojax.cli import InputError
from stereojax.inference.choose_depth import DepthChoice
from stereojax.records import decode
from stereojax.settings.data import DataSettings
from stereojax.splat import forward_splat, sharpness_for

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SMALL = DataSettings(
    kind="mono",
    depth_model="prior",
    width=256,
    height=144,
    shortest=5,
    longest=8,
    divergence=4.0,
)


def run(path: Path, **settings):
    records = []
    summary = process(path, dataclasses.replace(SMALL, **settings), records.append)
    return records, summary


def back(left: np.ndarray, disparity: np.ndarray):
    """What every reader of a record does: (warped, hole)."""
    splat = forward_splat(left, disparity, sharpness=sharpness_for(left.shape[1]))
    return np.asarray(splat.warped), np.asarray(splat.occlusion) >= 0.5


def square(disparity: float, behind: float = 0.0):
    """A textured picture whose middle is `disparity`, the rest `behind`."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (12, 20, 3), dtype=np.uint8)
    picture = picture.repeat(6, axis=0).repeat(6, axis=1)
    d = np.full(picture.shape[:2], behind, np.float32)
    d[20:50, 40:80] = disparity
    return picture, d


def test_there_and_back_is_the_frame_with_the_holes_of_a_real_pair():
    right, d = square(8.0)
    left, moved = OtherEye()(right, d)
    assert left.shape == right.shape and left.dtype == np.uint8
    # To the left eye what is near lies further right.
    np.testing.assert_array_equal(left[20:50, 48:88], right[20:50, 40:80])
    # What opens on its left is in no picture.
    assert np.isnan(moved[20:50, 40:48]).all()
    assert np.isnan(moved).sum() == 30 * 8
    warped, hole = back(left, moved)
    # What it hid from the left eye is the hole, on its right, as with filmed pairs.
    expected = np.zeros_like(hole)
    expected[20:50, 80:88] = True
    np.testing.assert_array_equal(hole, expected)
    np.testing.assert_allclose(warped[~hole], right[~hole] / 255, atol=1e-6)


def test_disparities_between_pixels_lose_little():
    right, d = square(8.4, behind=0.3)
    right = cv2.GaussianBlur(right, (0, 0), 3)
    left, moved = OtherEye()(right, d)
    warped, hole = back(left, moved)
    error = warped[~hole] - right[~hole] / 255
    assert -10 * np.log10(np.mean(error**2)) > 35
    assert hole[22:48, 81:87].all()
    near_frame = np.zeros_like(hole)
    near_frame[:, -2:] = True  # what moved out on the right
    near_frame[18:52, 78:90] = True
    assert not (hole & ~near_frame).any()


def test_a_slope_stays_whole():
    """Stretched on the way there, it has no gaps on the way back."""
    right, _ = square(0.0)
    d = np.tile(np.linspace(0, 30, right.shape[1], dtype=np.float32), (72, 1))
    left, moved = OtherEye()(right, d)
    assert np.isfinite(moved[:, :-1]).mean() > 0.95
    _, hole = back(left, moved)
    assert not hole[:, :88].any()  # the rest moved out on the right


def test_the_gap_is_filled_with_what_lies_behind():
    right = np.full((40, 80, 3), 100, np.uint8)
    right[10:30, 30:50] = 250
    d = np.zeros((40, 80), np.float32)
    d[10:30, 30:50] = 6
    left, moved = OtherEye()(right, d)
    gap = np.isnan(moved)
    assert gap[12:28, 30:36].all()
    # The near thing's own colour would show on both of its places.
    assert left[12:28, 36:56].min() == 250
    np.testing.assert_array_equal(left[12:28, 25:30], 100)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    left, _, _ = stereo_films.scene()
    path = tmp_path_factory.mktemp("mono") / "film.mkv"
    stereo_films.write(path, left)
    return path, left, *run(path)


def test_the_frame_is_the_truth(film):
    _, pictures, records, summary = film
    assert [len(r) for r in records] == [5, 5]
    assert summary.kind == summary.layout == "mono"
    assert summary.counters["kept"] == 2
    for record in records:
        origin, frames = record.provenance, decode(record)
        assert origin.kind == "mono" and origin.matcher == "prior"
        assert origin.shift == 0.0
        for i, right in enumerate(frames.right):
            film_frame = pictures[origin.first_frame + i]
            small = cv2.resize(film_frame, (256, 144), interpolation=cv2.INTER_AREA)
            assert np.abs(small.astype(int) - right).mean() < 2  # JPEG


def test_the_same_splat_gives_warp_and_mask(film):
    *_, records, summary = film
    for record, sample in zip(records, summary.samples, strict=True):
        frames, origin = decode(record), record.provenance
        squares = count = holes = 0
        for left, right, d in zip(
            frames.left, frames.right, frames.disparity, strict=True
        ):
            warped, hole = back(left, d)
            error = warped[~hole] - right[~hole].astype(np.float32) / 255
            squares += np.square(error, dtype=np.float64).sum()
            count += error.size
            holes += hole.mean()
        assert -10 * np.log10(squares / count) == pytest.approx(origin.psnr, rel=1e-6)
        assert origin.psnr > 30
        assert sample.statistics["holes"] == pytest.approx(holes / len(record))
        assert 0.002 < holes / len(record) < 0.1


def test_depth_range_is_the_divergence_give_or_take_half(film):
    *_, records, _ = film
    for record in records:
        disparity = decode(record).disparity
        assert 0 <= np.nanmin(disparity) < 0.5
        assert 0.5 * 0.04 * 256 * 0.9 < np.nanmax(disparity) < 1.5 * 0.04 * 256 * 1.01


def test_the_same_again(film):
    path, _, records, summary = film
    again, second = run(path)
    assert again == records and second.samples == summary.samples


def test_depth_that_breathes_is_steadied(film, tmp_path, monkeypatch):
    class Breathing:
        name, licence, per_frame = "breathing", "none", True
        per_frame_scale = False

        def estimate(self, frames):
            for i, _ in enumerate(frames):
                slope = np.linspace(1, 3, 48, dtype=np.float32)[:, None]
                yield np.tile(slope, (1, 64)) * np.float32(1.2 if i % 2 else 0.8)

    class Varying(Breathing):
        per_frame_scale = True

    def made(estimator: type):
        choice = DepthChoice("breathing", "breathing", estimator)
        monkeypatch.setattr(mono_film, "depth_of", lambda _: choice)
        records, _ = run(path, min_psnr=5.0)
        middle = decode(records[0]).disparity[:, 60:80]
        return np.abs(np.diff(np.nanmedian(middle, axis=(1, 2)))).max()

    still = np.repeat(film[1][:1], 8, axis=0)
    path = stereo_films.write(tmp_path / "still.mkv", still)
    left_alone = made(Breathing)
    assert left_alone > 0.5
    assert made(Varying) < left_alone / 4


def test_stereo_films_are_refused(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(left, right)
    with pytest.raises(Refused, match=r"a stereo film \(full_sbs\).*data_stereo") as e:
        run(stereo_films.write(tmp_path / "film.mkv", pictures))
    assert e.value.name == "stereo"
    # In any order of the eyes, and with one picture twice.
    for views in ((right, left), (left, left)):
        path = stereo_films.write(tmp_path / "other.mkv", stereo_films.pack(*views))
        with pytest.raises(Refused):
            run(path)


def test_an_unknown_depth_model_is_one_line(film):
    with pytest.raises(InputError, match="nonsense"):
        run(film[0], depth_model="nonsense")


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared films are not here")
def test_the_real_film():
    records, summary = run(DATA / "rollercoaster.mp4", longest=35, shortest=25)
    assert summary.frames == 70
    assert [len(r) for r in records] == [35, 35]
    assert min(s.psnr for s in summary.samples) > 30

"""Records of ordinary films: the left view is synthesized, the frame is the truth."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import stereo_films

from data_prep import mono_film
from data_prep.film_summary import RefusalError
from data_prep.film_task import extract_records
from data_prep.stages.left_view import SynthesizeLeftView
from stereojax.cli import InputError
from stereojax.inference.choose_depth import DepthChoice
from stereojax.records import decode_record
from stereojax.settings.data import DataSettings
from stereojax.splat import forward_splat, sharpness_for
from stereojax.stage_types import is_hole

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
    summary = extract_records(
        path, dataclasses.replace(SMALL, **settings), records.append
    )
    return records, summary


def splat_back(left: np.ndarray, disparity: np.ndarray):
    """Splats as every reader of a record does; returns (warped, hole)."""
    splat = forward_splat(left, disparity, sharpness=sharpness_for(left.shape[1]))
    return np.asarray(splat.warped), is_hole(np.asarray(splat.occlusion))


def square(disparity: float, behind: float = 0.0):
    """Returns a textured picture, and `disparity` in its middle, `behind` elsewhere."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (12, 20, 3), dtype=np.uint8)
    picture = picture.repeat(6, axis=0).repeat(6, axis=1)
    d = np.full(picture.shape[:2], behind, np.float32)
    d[20:50, 40:80] = disparity
    return picture, d


def test_splatting_back_gives_the_frame_with_the_holes_of_a_filmed_pair():
    right, d = square(8.0)
    left, moved = SynthesizeLeftView()(right, d)
    assert left.shape == right.shape and left.dtype == np.uint8
    # Near objects are further right in the left view.
    np.testing.assert_array_equal(left[20:50, 48:88], right[20:50, 40:80])
    # The disocclusion on its left is unknown.
    assert np.isnan(moved[20:50, 40:48]).all()
    assert np.isnan(moved).sum() == 30 * 8
    warped, hole = splat_back(left, moved)
    # The pixels that it occluded in the left view are the hole, on its right.
    expected = np.zeros_like(hole)
    expected[20:50, 80:88] = True
    np.testing.assert_array_equal(hole, expected)
    np.testing.assert_allclose(warped[~hole], right[~hole] / 255, atol=1e-6)


def test_fractional_disparities_splat_back_with_little_error():
    right, d = square(8.4, behind=0.3)
    right = cv2.GaussianBlur(right, (0, 0), 3)
    left, moved = SynthesizeLeftView()(right, d)
    warped, hole = splat_back(left, moved)
    error = warped[~hole] - right[~hole] / 255
    assert -10 * np.log10(np.mean(error**2)) > 35
    assert hole[22:48, 81:87].all()
    near_frame = np.zeros_like(hole)
    near_frame[:, -2:] = True  # pixels that moved out on the right
    near_frame[18:52, 78:90] = True
    assert not (hole & ~near_frame).any()


def test_a_slanted_plane_has_no_gaps_and_no_holes():
    right, _ = square(0.0)
    d = np.tile(np.linspace(0, 30, right.shape[1], dtype=np.float32), (72, 1))
    left, moved = SynthesizeLeftView()(right, d)
    assert np.isfinite(moved[:, :-1]).mean() > 0.95
    _, hole = splat_back(left, moved)
    assert not hole[:, :88].any()  # the other pixels moved out on the right


def test_disocclusions_are_filled_with_background():
    right = np.full((40, 80, 3), 100, np.uint8)
    right[10:30, 30:50] = 250
    d = np.zeros((40, 80), np.float32)
    d[10:30, 30:50] = 6
    left, moved = SynthesizeLeftView()(right, d)
    gap = np.isnan(moved)
    assert gap[12:28, 30:36].all()
    # The near square appears once, and not again at its place in the right view.
    assert left[12:28, 36:56].min() == 250
    np.testing.assert_array_equal(left[12:28, 25:30], 100)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    left, _, _ = stereo_films.scene()
    path = tmp_path_factory.mktemp("mono") / "film.mkv"
    stereo_films.write(path, left)
    return path, left, *run(path)


def test_the_right_view_is_the_frame(film):
    _, pictures, records, summary = film
    assert [len(r) for r in records] == [5, 5]
    assert summary.kind == summary.layout == "mono"
    assert summary.counters["kept"] == 2
    for record in records:
        origin, frames = record.provenance, decode_record(record)
        assert origin.kind == "mono" and origin.matcher == "prior"
        assert origin.shift == 0.0
        for i, right in enumerate(frames.right):
            film_frame = pictures[origin.first_frame + i]
            small = cv2.resize(film_frame, (256, 144), interpolation=cv2.INTER_AREA)
            assert np.abs(small.astype(int) - right).mean() < 2  # JPEG


def test_splatting_the_record_gives_its_psnr_and_holes(film):
    *_, records, summary = film
    for record, sample in zip(records, summary.samples, strict=True):
        frames, origin = decode_record(record), record.provenance
        squares = count = holes = 0
        for left, right, d in zip(
            frames.left, frames.right, frames.disparity, strict=True
        ):
            warped, hole = splat_back(left, d)
            error = warped[~hole] - right[~hole].astype(np.float32) / 255
            squares += np.square(error, dtype=np.float64).sum()
            count += error.size
            holes += hole.mean()
        assert -10 * np.log10(squares / count) == pytest.approx(origin.psnr, rel=1e-6)
        assert origin.psnr > 30
        assert sample.statistics["holes"] == pytest.approx(holes / len(record))
        assert 0.002 < holes / len(record) < 0.1


def test_the_disparity_range_is_the_divergence_within_a_half(film):
    *_, records, _ = film
    for record in records:
        disparity = decode_record(record).disparity
        assert 0 <= np.nanmin(disparity) < 0.5
        assert 0.5 * 0.04 * 256 * 0.9 < np.nanmax(disparity) < 1.5 * 0.04 * 256 * 1.01


def test_the_same_film_gives_the_same_records(film):
    path, _, records, summary = film
    again, second = run(path)
    assert again == records and second.samples == summary.samples


def test_per_frame_scale_of_depth_is_steadied(film, tmp_path, monkeypatch):
    class Breathing:
        name, licence, per_frame = "breathing", "none", True
        per_frame_scale = False

        def estimate(self, frames):
            for i, _ in enumerate(frames):
                slope = np.linspace(1, 3, 48, dtype=np.float32)[:, None]
                yield np.tile(slope, (1, 64)) * np.float32(1.2 if i % 2 else 0.8)

    class Varying(Breathing):
        per_frame_scale = True

    def largest_change(estimator: type):
        choice = DepthChoice("breathing", "breathing", estimator)
        monkeypatch.setattr(mono_film, "load_depth_model", lambda _: choice)
        records, _ = run(path, min_psnr=5.0)
        middle = decode_record(records[0]).disparity[:, 60:80]
        return np.abs(np.diff(np.nanmedian(middle, axis=(1, 2)))).max()

    still = np.repeat(film[1][:1], 8, axis=0)
    path = stereo_films.write(tmp_path / "still.mkv", still)
    unsteadied = largest_change(Breathing)
    assert unsteadied > 0.5
    assert largest_change(Varying) < unsteadied / 4


def test_stereo_films_are_refused(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(left, right)
    with pytest.raises(
        RefusalError, match=r"a stereo film \(full_sbs\).*data_stereo"
    ) as e:
        run(stereo_films.write(tmp_path / "film.mkv", pictures))
    assert e.value.name == "stereo"
    # Swapped eyes and two equal views are refused too.
    for views in ((right, left), (left, left)):
        path = stereo_films.write(tmp_path / "other.mkv", stereo_films.pack(*views))
        with pytest.raises(RefusalError):
            run(path)


def test_an_unknown_depth_model_is_an_error(film):
    with pytest.raises(InputError, match="nonsense"):
        run(film[0], depth_model="nonsense")


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared films")
def test_a_real_film_becomes_records():
    records, summary = run(DATA / "rollercoaster.mp4", longest=35, shortest=25)
    assert summary.frames == 70
    assert [len(r) for r in records] == [35, 35]
    assert min(s.psnr for s in summary.samples) > 30

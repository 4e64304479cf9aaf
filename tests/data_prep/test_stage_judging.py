"""Left-right consistency, sequences, encoding, the warp, measures and filters."""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import stereo_films

from data_prep.film_summary import DISPARITY_BIN
from data_prep.stages.consistency import CheckConsistency, fill_rows
from data_prep.stages.encode import EncodeFrame, add_warp, decode_frame, to_record
from data_prep.stages.filters import Filters
from data_prep.stages.measures import Measures
from data_prep.stages.parallax import Parallax
from data_prep.stages.sequences import PlanSequences
from data_prep.stages.warp import Warp
from stereojax.matching import Sgbm, match_both
from stereojax.records import Provenance, decode_record
from stereojax.records.pictures import decode_gray16, decode_rgb
from stereojax.splat import forward_splat
from stereojax.stage_types import Shot, is_hole

NAN = np.nan


def test_gaps_are_filled_with_the_background_of_their_row():
    row = [2.0, NAN, NAN, 9.0, 9.0, NAN, 3.0, NAN]
    rows = np.tile(np.float32(row), (3, 1))
    rows[1] = NAN  # no known disparity: takes the row above
    filled = fill_rows(rows)
    np.testing.assert_array_equal(filled, np.tile([2, 2, 2, 9, 9, 3, 3, 3], (3, 1)))
    np.testing.assert_array_equal(fill_rows(np.full((2, 3), NAN, np.float32)), 0)


def test_occluded_pixels_are_found_and_filled_with_background():
    left, right, truth = stereo_films.scene(seed=2, frames=2, width=640, height=360)
    low = int(np.floor(truth.min()))
    views = stereo_films.plant(left[0], right[0], -low)
    exact = truth[0, :, : views[0].shape[1]] - low
    matched, right_disparity = next(match_both(Sgbm(), [views]))
    disparity, agreed = CheckConsistency()(matched, right_disparity)
    assert disparity.dtype == np.float32 and disparity.min() >= 0
    assert np.isfinite(disparity).all()
    assert 0.85 < agreed < 0.99
    before = np.abs(np.nan_to_num(matched) - exact)
    after = np.abs(disparity - exact)
    assert after.mean() < 0.75 * before.mean()
    assert after.mean() < 0.5


def test_specks_are_removed():
    disparity = np.full((100, 100), 5, np.float32)
    disparity[40:42, 50:53] = 40  # both views "agree" on it
    back = np.full((100, 100), 5, np.float32)
    back[40:42, 10:13] = 40
    filled, agreed = CheckConsistency(min_speck=1e-3)(disparity, back)
    np.testing.assert_array_equal(filled, 5)
    # Not agreed: the speck, the pixels that point at the right view's speck, and those
    # that point outside.
    assert agreed == pytest.approx(1 - (6 + 6 + 500) / 1e4)


@pytest.mark.parametrize(
    ("frames", "lengths"),
    [(24, [24]), (145, [145]), (146, [73, 73]), (400, [133, 133, 134])],
)
def test_sequences_are_few_and_of_equal_length(frames, lengths):
    plan = PlanSequences(longest=145, shortest=25)
    segments = plan([Shot(3, 1000, 1000 + frames)])
    assert [len(s) for s in segments] == lengths
    assert {s.shot for s in segments} == {3}
    assert segments[0].start == 1000 and segments[-1].stop == 1000 + frames
    assert all(a.stop == b.start for a, b in itertools.pairwise(segments))


def test_longest_sequences_and_a_rest_if_equal_ones_are_too_short():
    segments = PlanSequences(longest=145, shortest=100)([Shot(0, 0, 150)])
    assert [len(s) for s in segments] == [145, 5]


def test_no_sequence_crosses_a_cut():
    segments = PlanSequences(20, 5)([Shot(0, 0, 30), Shot(1, 30, 44)])
    assert [(s.shot, s.start, s.stop) for s in segments] == [
        (0, 0, 15),
        (0, 15, 30),
        (1, 30, 44),
    ]


def coded_frame(store: bool = False):
    left, right, truth = stereo_films.scene()
    disparity = truth[0] - truth.min()
    disparity[:, :3] = NAN
    frame = EncodeFrame(95)(left[0], right[0], disparity)
    warp = Warp.for_width(left.shape[2])
    warped = warp(*(decode_frame(frame)[i] for i in (0, 2)))
    return (add_warp(frame, *warped) if store else frame), warp, warped, disparity


def test_a_decoded_record_splats_to_the_measured_warp():
    frame, warp, (warped, occlusion), disparity = coded_frame(store=True)
    provenance = Provenance(
        "film.mkv", "ab" * 32, "stereo", 0, 0, 24.0, "sgbm", 0.0, 30.0,
        **dataclasses.asdict(warp),
    )  # fmt: skip
    record = to_record([frame, frame], 320, 180, provenance)
    frames = decode_record(record)
    assert frames.disparity.shape == (2, 180, 320)
    assert np.isnan(frames.disparity[0, :, :3]).all()
    assert np.nanmax(np.abs(frames.disparity[0] - disparity)) <= 1 / 64
    again = forward_splat(
        frames.left[1], frames.disparity[1],
        sharpness=provenance.sharpness, mask=provenance.mask, border=provenance.border,
    )  # fmt: skip
    np.testing.assert_array_equal(again.warped, warped)
    np.testing.assert_array_equal(again.occlusion, occlusion)
    assert 0.005 < is_hole(occlusion).mean() < 0.2
    stored = decode_rgb(record.warped[0]).astype(np.float32) / 255
    assert np.abs(stored - warped).max() <= 0.51 / 255
    stored = decode_gray16(record.occlusion[0]).astype(np.float32) / 65535
    assert np.abs(stored - occlusion).max() <= 0.51 / 65535


def test_the_warp_is_not_stored_by_default():
    frame, warp, *_ = coded_frame()
    origin = "film.mkv", "ab" * 32, "stereo", 0, 0, 24.0, "sgbm", 0.0, 30.0
    record = to_record([frame], 320, 180, Provenance(*origin, warp.sharpness))
    assert record.warped == record.occlusion == ()


def test_warping_a_batch_equals_warping_single_frames():
    frame, warp, (warped, occlusion), _ = coded_frame()
    left, _, disparity = decode_frame(frame)
    many = forward_splat(
        jnp.stack([left] * 3), jnp.stack([disparity] * 3), sharpness=warp.sharpness
    )
    np.testing.assert_allclose(many.warped[2], warped, atol=1e-6)
    np.testing.assert_allclose(many.occlusion[2], occlusion, atol=1e-6)


def measured(error: float, hole: float = 0.1, light: float = 0.5, agreed: float = 1.0):
    """Returns measures of two frames with a colour error of `error` outside holes."""
    right = np.full((20, 40, 3), round(light * 255), np.uint8)
    warped = right.astype(np.float32) / 255 + error
    occlusion = np.zeros((20, 40), np.float32)
    occlusion[:, : round(40 * hole)] = 1
    warped[occlusion > 0] = 0  # colours in holes must not count
    measures = Measures()
    disparity = np.full((20, 40), 5.0, np.float32)
    disparity[0, 0] = NAN
    for _ in range(2):
        measures.add(warped, occlusion, right, disparity, agreed)
    return measures


def test_psnr_ignores_holes():
    measures = measured(0.1)
    assert measures.psnr == pytest.approx(20.0, abs=1e-4)
    assert measures.worst_psnr == pytest.approx(20.0, abs=1e-4)
    assert measures.holes == pytest.approx(0.1)
    assert measures.disparities == (0, 0, 2 * (20 * 40 - 1))
    assert len(measures.disparities) == 5 // DISPARITY_BIN + 1
    assert measured(0.0).psnr == 100.0


def test_one_bad_frame_is_the_worst_and_counts_in_the_mean():
    measures, bad = measured(0.01), measured(0.1)
    right = np.full((20, 40, 3), 128, np.uint8)
    warped = right.astype(np.float32) / 255 + 0.1
    measures.add(warped, np.zeros((20, 40), np.float32), right, warped[..., 0], 1.0)
    assert measures.worst_psnr == pytest.approx(bad.psnr, abs=1e-4)
    assert bad.psnr < measures.psnr < 40


@pytest.mark.parametrize(
    ("frame", "dropped"),
    [
        ({"error": 0.05}, None),  # 26 dB
        ({"error": 10 ** (-25.01 / 20)}, None),
        ({"error": 10 ** (-24.99 / 20)}, "psnr"),
        ({"error": 0.0, "light": 0.01}, "dark"),
        ({"error": 0.01, "hole": 0.5}, "mostly_holes"),
        ({"error": 0.01, "hole": 0.0}, "no_holes"),
        ({"error": 0.01, "agreed": 0.3}, "inconsistent"),
    ],
)
def test_each_filter_drops_its_sequences(frame, dropped):
    assert Filters().sequence(measured(**frame)) == dropped


def test_a_sequence_with_one_bad_frame_is_dropped():
    measures = measured(0.01)
    for _ in range(20):
        right = np.full((20, 40, 3), 128, np.uint8)
        warped = right.astype(np.float32) / 255
        measures.add(warped, np.zeros((20, 40), np.float32), right, warped[..., 0], 1.0)
    assert Filters().sequence(measures) is None
    measures.add(
        warped + 0.2, np.zeros((20, 40), np.float32), right, warped[..., 0], 1.0
    )
    assert measures.psnr > 25
    assert Filters().sequence(measures) == "worst_frame"


@pytest.mark.parametrize(
    ("parallax", "dropped"),
    [
        (Parallax(low=-10.0, high=30.0, share=0.9, spread=2.0), None),
        (None, "featureless"),
        (Parallax(low=-10.0, high=30.0, share=0.3, spread=2.0), "unmatched"),
        (Parallax(low=5.0, high=5.2, share=0.9, spread=0.01), "flat"),
        (Parallax(low=-60.0, high=90.0, share=0.9, spread=8.0), "too_deep"),
    ],
)
def test_each_filter_drops_its_shots(parallax, dropped):
    assert Filters().shot(parallax, matcher_range=128) == dropped

"""Records of stereo films, compared with the known scenes."""

import dataclasses
import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import stereo_films

from data_prep.film_summary import RefusalError
from data_prep.film_task import extract_records
from data_prep.stages.fit import resize
from stereojax.cli import RunError
from stereojax.records import decode_record
from stereojax.records.pictures import decode_gray16, decode_rgb
from stereojax.settings.data import DataSettings
from stereojax.splat import forward_splat
from stereojax.stage_types import is_hole
from stereojax.video.reading.index import index_video

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SMALL = DataSettings(width=256, height=144, shortest=5, longest=8)


def run(path: Path, **settings):
    records, progress = [], []
    chosen = dataclasses.replace(SMALL, **settings)
    summary = extract_records(path, chosen, records.append, progress.append)
    assert sum(progress) == summary.frames
    return records, summary


def dropped(summary) -> list[str | None]:
    return [sample.dropped for sample in summary.samples]


SHOTS = (
    {"seed": 5, "sets": ("room",)},
    {"seed": 1, "sets": ("street",), "frames": 6},
    {"seed": 7, "sets": ("room",), "frames": 7},
)
CUTS = (10, 16)


def views() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (left, right, disparity) of a film of three shots."""
    scenes = [stereo_films.scene(**shot) for shot in SHOTS]
    return tuple(np.concatenate(parts) for parts in zip(*scenes, strict=True))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Returns the film's path, its records and its summary."""
    left, right, _ = views()
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    stereo_films.write(path, stereo_films.pack(left, right))
    return path, *run(path, store_warped=True)


def test_every_hard_cut_is_found_and_no_record_crosses_one(film):
    _, records, summary = film
    starts = list(itertools.accumulate(summary.shots, initial=0))[1:-1]
    assert tuple(starts) == CUTS  # F1 = 1
    edges = [0, *CUTS, 23]
    for record in records:
        origin = record.provenance
        assert edges[origin.shot] <= origin.first_frame
        assert origin.first_frame + len(record) <= edges[origin.shot + 1]


def test_hard_cuts_of_a_compressed_film_are_found(tmp_path):
    left, right, _ = views()
    # Forward, backward, forward: eight shots.
    order = [*range(23), *range(9, -1, -1), *range(22, -1, -1), *range(10, 16)]
    cuts = [10, 16, 23, 33, 40, 46, 56]
    for layout in ("full_sbs", "half_tb"):
        pictures = stereo_films.pack(left, right, layout)[order]
        path = stereo_films.write(tmp_path / f"{layout}.mp4", pictures, crf=26)
        shots = index_video(path).shots
        assert [shot.start for shot in shots[1:]] == cuts  # F1 = 1


def test_every_frame_of_a_good_film_is_kept(film):
    _, records, summary = film
    # Shots of 10, 6 and 7 frames, in sequences of at most 8.
    assert [len(record) for record in records] == [5, 5, 6, 7]
    assert dropped(summary) == [None] * 4
    assert summary.counters["kept_frames"] == 23
    assert summary.counters["matched_frames"] == 23
    assert summary.layout == "full_sbs"
    assert [s.first for s in summary.samples] == [
        r.provenance.first_frame for r in records
    ]


def test_training_recomputes_the_splat_that_the_filter_judged(film):
    _, records, _ = film
    for record in records:
        frames, origin = decode_record(record), record.provenance
        squares, count = 0.0, 0
        for i in range(len(record)):
            splat = forward_splat(
                frames.left[i],
                frames.disparity[i],
                sharpness=origin.sharpness,
                mask=origin.mask,
                border=origin.border,
            )
            warped, occlusion = np.asarray(splat.warped), np.asarray(splat.occlusion)
            np.testing.assert_array_equal(
                np.rint(warped * 255).astype(np.uint8), decode_rgb(record.warped[i])
            )
            np.testing.assert_array_equal(
                np.rint(occlusion * 65535).astype(np.uint16),
                decode_gray16(record.occlusion[i]),
            )
            landed = ~is_hole(occlusion)
            error = warped[landed] - frames.right[i][landed].astype(np.float32) / 255
            squares += np.square(error, dtype=np.float64).sum()
            count += error.size
        psnr = -10 * np.log10(squares / count)
        assert psnr == pytest.approx(origin.psnr, rel=1e-6)
        assert psnr > 25


def test_disparity_is_the_true_disparity_plus_the_shift(film):
    _, records, _ = film
    truth = views()[2]
    for record in records:
        origin, frames = record.provenance, decode_record(record)
        assert frames.left.shape == frames.right.shape
        assert (
            frames.left.shape[:3] == frames.disparity.shape == (len(record), 144, 256)
        )
        assert np.nanmin(frames.disparity) >= 0
        first = truth[origin.first_frame : origin.first_frame + len(record)]
        # The shift crops some of the film's 320 columns; the rest is scaled to 256.
        planted = origin.shift / 256
        scale = 320 * (1 - abs(planted) / (1 + abs(planted))) / 256
        exact = first.min() + origin.shift * scale
        assert abs(exact) <= 1.5  # the minimum is nearly 0
        middle = np.median(frames.disparity) * scale
        assert middle == pytest.approx(np.median(first) + origin.shift * scale, abs=0.7)


@pytest.mark.parametrize("layout", ["half_sbs", "half_tb"])
def test_every_layout_gives_the_same_views(film, layout, tmp_path):
    _, records, _ = film
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(left, right, layout)
    same_film, summary = run(stereo_films.write(tmp_path / "film.mkv", pictures))
    assert summary.layout == layout
    squeezed, full = decode_record(same_film[0]), decode_record(records[0])
    for eye in ("left", "right"):
        # Small: squeezed views lack detail, and are shifted by integer squeezed pixels.
        a, b = (resize(getattr(f, eye)[0], 64, 36) for f in (squeezed, full))
        assert np.abs(a.astype(int) - b).mean() < 4
    planted = same_film[0].provenance.shift - records[0].provenance.shift
    moved = squeezed.disparity[0] - full.disparity[0]
    assert np.median(np.abs(moved - planted)) < 0.25


@pytest.mark.parametrize("shift", [-24, 24])
def test_planted_shifts_are_removed(shift, tmp_path):
    left, right, truth = stereo_films.scene()
    pictures = stereo_films.pack(*stereo_films.plant(left, right, shift))
    records, _ = run(stereo_films.write(tmp_path / "film.mkv", pictures))
    origin = records[0].provenance
    exact = -(truth.min() + shift)  # px of the film, to the left
    scale = (320 - abs(shift) - abs(exact)) / 256
    assert origin.shift * scale == pytest.approx(exact, abs=1)
    left, right, disparity = (
        getattr(decode_record(records[0], [0]), n)[0]
        for n in ("left", "right", "disparity")
    )
    assert np.percentile(disparity, 1) < 1.5
    assert origin.psnr > 25


def test_mismatched_sequences_are_dropped_and_good_ones_kept(tmp_path):
    left, right, _ = stereo_films.scene()
    wrong = right.copy()
    # In the second half, the right view is five frames late and too bright.
    wrong[5:] = np.clip(right[:5].astype(int) + 25, 0, 255).astype(np.uint8)
    path = stereo_films.write(tmp_path / "f.mkv", stereo_films.pack(left, wrong))
    records, summary = run(path)
    assert dropped(summary) == [None, "psnr"]
    assert summary.samples[0].psnr > 25 > summary.samples[1].psnr
    assert [r.provenance.first_frame for r in records] == [0]
    assert summary.counters["dropped_psnr"] == 1


def test_only_the_shot_without_depth_is_dropped(tmp_path):
    left, right, _ = views()
    first, second = CUTS
    right[first:second] = left[first:second]
    path = stereo_films.write(tmp_path / "film_SBS.mkv", stereo_films.pack(left, right))
    _, summary = run(path)
    by_shot = {s.shot: s.dropped for s in summary.samples}
    assert by_shot == {0: None, 1: "flat", 2: None}
    assert all(s.thumbnail[:2] == b"\xff\xd8" for s in summary.samples)


def test_short_shots_are_dropped_and_counted(film):
    path, *_ = film
    records, summary = run(path, shortest=15, longest=20)
    assert not records
    assert set(dropped(summary)) == {"short"}
    assert summary.counters["dropped_short"] == 3
    assert "match" not in summary.seconds


def test_letterboxes_are_cropped(tmp_path):
    left, right, _ = stereo_films.scene()
    bars = np.zeros((len(left), 22, 320, 3), np.uint8)
    boxed = [np.concatenate([bars, v, bars], axis=1) for v in (left, right)]
    path = stereo_films.write(tmp_path / "f.mp4", stereo_films.pack(*boxed), crf=18)
    records, _ = run(path)
    views = decode_record(records[0], [0])
    for view in (views.left[0], views.right[0]):
        rows = view.reshape(len(view), -1).max(axis=1)
        assert rows.min() > 40


def test_the_same_film_gives_the_same_records(film):
    path, records, summary = film
    again, second = run(path, store_warped=True)
    assert again == records
    assert second.samples == summary.samples


def test_a_longer_film_takes_no_more_memory(tmp_path):
    left, right, _ = stereo_films.scene()
    forward = stereo_films.pack(left, right)
    peaks = []
    for times in (2, 6):
        # Forward and backward: one shot of any length.
        pictures = [*forward, *forward[::-1]] * (times // 2)
        path = stereo_films.write(tmp_path / f"{times}.mkv", pictures)
        lengths = []
        tracemalloc.start()
        extract_records(path, SMALL, lambda record, to=lengths: to.append(len(record)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(lengths) == times * 10
    # 40 more frames are 14 MB in the film, and 4 MB a view in the records.
    assert peaks[1] < peaks[0] + 2e6


def test_a_damaged_film_is_an_error_that_names_it(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = np.concatenate([stereo_films.pack(left, right)] * 8)
    path = stereo_films.write(tmp_path / "film.mp4", pictures, crf=20)
    content = path.read_bytes()
    index = content.index(b"moov")
    assert index > len(content) / 2  # the header is at the end and stays intact
    broken = tmp_path / "broken.mp4"
    hole = slice(len(content) // 3, len(content) // 2)
    broken.write_bytes(
        content[: hole.start] + bytes(hole.stop - hole.start) + content[hole.stop :]
    )
    with pytest.raises(RunError, match=r"broken\.mp4: frames are missing"):
        run(broken)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared films")
def test_a_real_film_becomes_records(tmp_path):
    records, summary = run(
        DATA / "office_stereo_sbs.mp4", width=512, height=288, shortest=8, longest=145
    )
    assert summary.shots == (10,)
    assert [len(r) for r in records] == [10]
    assert summary.samples[0].psnr > 28
    assert 0.02 < summary.samples[0].statistics["holes"] < 0.07
    # The farthest wall is 8 px of 1280 in front of the screen.
    assert records[0].provenance.shift == pytest.approx(-7 * 512 / 1280, abs=1)
    with pytest.raises(RefusalError, match="not a stereo film"):
        run(DATA / "rollercoaster.mp4")

"""Whole films through `infer`: pictures, times, streams, reports and errors."""

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from films import FRAMES, HEIGHT, WIDTH, pictures, psnr, small_film, times

import stereojax
from stereojax.cli import InputError
from stereojax.settings.run_options import Preview
from stereojax.stage_types import is_hole

CONFIG = "fast:runlocal"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return small_film(tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def converted(film, tmp_path_factory):
    """Converts the film losslessly; returns (source, output, report)."""
    _, paths = film
    output = tmp_path_factory.mktemp("out") / "film_3d.mkv"
    report = stereojax.convert(paths.left, output, config=CONFIG, codec="ffv1")
    return paths.left, output, report


def test_every_frame_keeps_its_time(converted):
    source, output, report = converted
    np.testing.assert_allclose(times(output), times(source), atol=1e-3)
    assert report["frames_total"] == FRAMES


def test_the_left_eye_is_the_source(converted):
    source, output, _ = converted
    left = pictures(output)[:, :, :WIDTH]
    # Without the last columns: the two eyes share chroma at their border.
    assert psnr(left[:, :, :-2], pictures(source)[:, :, :-2]).min() > 60


def test_the_default_quality_looks_lossless(film, tmp_path):
    _, paths = film
    output = tmp_path / "film_3d.mp4"
    stereojax.convert(paths.left, output, config=CONFIG)
    left = pictures(output)[:, :, :WIDTH]
    assert psnr(left, pictures(paths.left)).min() > 36
    np.testing.assert_array_equal(times(output), times(paths.left))


def test_the_right_eye_is_a_different_view_without_holes(converted):
    source, output, report = converted
    right = pictures(output)[:, :, WIDTH:].astype(np.float32)
    left = pictures(source).astype(np.float32)
    shifts = [np.abs(right - np.roll(left, s, axis=2)).mean() for s in range(-3, 4)]
    assert min(shifts) > 0.5, "a rolled copy of the left eye"
    assert psnr(right, left).min() > 12, "not the same scene"
    black = (right.max(axis=-1) == 0) & (left.max(axis=-1) > 16)
    assert not black.any()
    for shot in report["shots"]:
        spread = shot["disparity_percent_of_width"]
        assert 1.0 < spread["p99"] - spread["p1"] < 2.2


def test_shots_sound_and_title_survive(film, converted):
    truth, _ = film
    _, output, report = converted
    assert [s["start"] for s in report["shots"]] == [0, *truth.cuts]
    with av.open(output) as container:
        assert len(container.streams.audio) == 1
        assert container.metadata["title"].startswith("Synthetic film")
        assert sum(p.size for p in container.demux(audio=0)) > 1000
        video = container.streams.video[0]
        assert video.metadata.get("stereo_mode") == "left_right"
        assert (video.width, video.height) == (2 * WIDTH, HEIGHT)


def test_the_work_folder_is_removed_and_the_report_is_written(converted):
    _, output, report = converted
    assert {p.name for p in output.parent.iterdir()} == {
        output.name,
        output.name + ".json",
    }
    assert json.loads((output.parent / (output.name + ".json")).read_text()) == report
    assert report["depth"]["model"] == "prior"
    assert set(report["seconds"]) == {"index", "depth", "render", "join"}


def test_a_complete_output_is_not_written_again(converted, capsys):
    source, output, report = converted
    before = output.stat().st_mtime_ns
    again = stereojax.convert(source, output, config=CONFIG, codec="ffv1")
    assert output.stat().st_mtime_ns == before
    assert again == report
    assert "is complete already" in capsys.readouterr().err


def test_another_output_is_not_overwritten(converted):
    source, output, _ = converted
    with pytest.raises(InputError, match="--overwrite"):
        stereojax.convert(source, output, config=CONFIG, codec="ffv1", divergence=3)


def test_zero_divergence_is_the_left_view_twice(film, tmp_path):
    _, paths = film
    output = tmp_path / "flat.mkv"
    stereojax.convert(paths.left, output, config=CONFIG, codec="ffv1", divergence=0)
    both = pictures(output)
    assert psnr(both[:, :, :WIDTH], both[:, :, WIDTH:]).min() > 40


@pytest.mark.parametrize(
    ("layout", "size"),
    [
        ("half_sbs", (WIDTH, HEIGHT)),
        ("full_tb", (WIDTH, 2 * HEIGHT)),
        ("anaglyph", (WIDTH, HEIGHT)),
        ("right", (WIDTH, HEIGHT)),
    ],
)
def test_layouts(film, tmp_path, layout, size):
    _, paths = film
    output = tmp_path / "film_3d.mkv"
    stereojax.convert(paths.left, output, config=CONFIG, layout=layout)
    frames = pictures(output)
    assert frames.shape == (FRAMES, size[1], size[0], 3)


def test_left_and_right_files(film, tmp_path):
    _, paths = film
    layout = "left_right_files"
    stereojax.convert(paths.left, tmp_path / "film.mkv", config=CONFIG, layout=layout)
    left, right = (pictures(tmp_path / f"film_{eye}.mkv") for eye in ("left", "right"))
    assert psnr(left, pictures(paths.left)).min() > 36
    assert left.shape == right.shape
    assert psnr(left, right).max() < 40


def test_a_preview_is_short_and_has_a_contact_sheet(film, tmp_path):
    _, paths = film
    output = tmp_path / "film_3d.mp4"
    preview = Preview(0.25, 0.5)
    report = stereojax.convert(
        paths.left, output, config=CONFIG, preview=preview, debug_grid=True
    )
    assert len(pictures(output)) == report["frames_total"] == 6
    sheet = tmp_path / report["contact_sheet"]
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert pictures(tmp_path / "film_3d_grid.mp4").shape[1:] == (
        2 * HEIGHT,
        2 * WIDTH,
        3,
    )
    # The whole film may replace its preview.
    full = stereojax.convert(paths.left, output, config=CONFIG)
    assert full["frames_total"] == FRAMES


def test_exact_depth_gives_the_true_right_view(film, tmp_path):
    truth, paths = film
    output = tmp_path / "film_3d.mkv"
    stereojax.convert(paths.left, output, depth_path=paths.disparity, codec="ffv1")
    right = pictures(output)[:, :, WIDTH:] / 255
    for view, frame in zip(right, truth.render(), strict=True):
        error = np.mean((view - frame.right)[~is_hole(frame.occlusion)] ** 2)
        assert -10 * np.log10(error) > 24


def test_the_depth_file_gives_the_same_picture(film, converted, tmp_path):
    _, paths = film
    _, output, _ = converted
    depth, again = tmp_path / "film_depth.mkv", tmp_path / "again.mkv"
    stereojax.convert(paths.left, depth, config=CONFIG, depth_only=True)
    stereojax.convert(paths.left, again, depth_path=depth, codec="ffv1")
    np.testing.assert_array_equal(pictures(again), pictures(output))


def infer(*arguments):
    command = [sys.executable, "-m", "stereojax.infer", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_folder_with_one_bad_film(film, tmp_path):
    _, paths = film
    source, output = tmp_path / "films", tmp_path / "films_3d"
    source.mkdir()
    (source / "a_bad.mp4").write_bytes(b"not a film at all")
    (source / "b_good.mp4").write_bytes(paths.left.read_bytes())
    (source / "notes.txt").write_text("not looked at")
    done = infer("--input", source, "--output", output, "--config", CONFIG)
    assert done.returncode == 2, done.stderr
    assert "1 of 2 files converted" in done.stderr
    assert "failed: a_bad.mp4" in done.stderr
    names = {p.name for p in output.iterdir()}
    assert names == {"b_good_LRF_Full_SBS.mp4", "b_good_LRF_Full_SBS.mp4.json"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output=o.mp4"], "--input is missing"),
        (["--input={film}"], "--output is missing"),
        (["--input=nowhere.mp4", "--output=o.mp4"], "nowhere.mp4: no such file"),
        (["--input={film}", "--output=no/o.mp4"], "the folder no is not there"),
        (["--input={film}", "--output={film}"], "it is the input"),
        (["--input={film}", "--output=o.mp4", "--divergence=nan"], "--divergence=nan"),
        (["--input={film}", "--output=o.mp4", "--max_disp=inf"], "--max_disp=inf"),
        (["--input={film}", "--output=o.mp4", "--convergence=3"], "from -1 to 2"),
        (["--input={film}", "--output=o.mp4", "--preview=now"], "--preview=now"),
        (["--input={film}", "--output=o.avi"], ".avi"),
        (["--input={film}", "--output=o.mp4", "--crf=99"], "--crf=99"),
        (["--input={film}", "--output=o.mp4", "--depth_path=no.npz"], "no.npz"),
        (["--input={film}", "--output=o.mp4", "--depth_model=file"], "--depth_path"),
        (["--input={film}", "--output=o.mp4", "--config=slow"], "--config=slow"),
        (["--input={film}", "--output=o.mp4", "--colour=red"], "colour"),
    ],
)
def test_bad_flags_are_one_line_and_code_2(film, tmp_path, arguments, words):
    _, paths = film
    command = [a.format(film=paths.left) for a in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "stereojax.infer", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr
    assert list(Path(tmp_path).iterdir()) == []

"""All kinds of films, and files that are not films."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from clips import picture, shorten, write_film, write_sound_only
from films import pictures, psnr, times

import stereojax
from stereojax.cli import InputError, RunError
from stereojax.video.reading.probe import probe

CONFIG = "fast:runlocal"
HDR = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}


def vfr(path):
    return write_film(
        path, 6, times=[0, 33, 50, 133, 140, 300], time_base=Fraction(1, 600)
    )


def odd(path):
    images = [picture(i, 63, 47) for i in range(4)]
    return write_film(path, images, pixel_format="yuv444p")


def hdr(path):
    format = "yuv420p10le"
    return write_film(path, 4, codec="libx265", pixel_format=format, tags=HDR)


KINDS = {
    "vfr": vfr,
    "odd": odd,
    "hdr": hdr,
    "one_frame": lambda path: write_film(path, 1),
    "rotated": lambda path: write_film(path, 4, rotation=90),
    "wide_pixels": lambda path: write_film(path, 4, aspect=Fraction(4, 3)),
    "cover": lambda path: write_film(path, 4, cover=True, sound_s=0.2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_films_of_all_kinds_keep_their_properties(kind, tmp_path):
    source = KINDS[kind](tmp_path / "film.mp4")
    output = tmp_path / "film_3d.mp4"
    stereojax.convert(source, output, config=CONFIG)
    before, after = probe(source), probe(output)
    assert (after.width, after.height) == (2 * before.width, before.height)
    np.testing.assert_array_equal(times(output), times(source))
    assert after.sample_aspect == before.sample_aspect
    assert after.bit_depth == before.bit_depth
    assert after.rotation == 0
    if kind == "hdr":
        assert after.color == before.color
        assert after.pixel_format == "yuv420p10le"
    left, right = np.split(pictures(output), 2, axis=2)
    scale = 1 if left.dtype == np.uint8 else 257
    assert psnr(left / scale, pictures(source) / scale).min() > 30
    assert right.max() > 0


def absent(path):
    return path.with_name("nothing.mp4")


def corrupt(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    return path


def empty(path):
    path.touch()
    return path


def cut_short(path):
    whole = write_film(path.with_name("whole.mkv"), 60, options={"g": "12"})
    return shorten(whole, path.with_suffix(".mkv"), 0.6)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (absent, 2, "no such file"),
        (corrupt, 2, "not a video"),
        (empty, 2, "empty"),
        (write_sound_only, 2, "no video stream"),
        (cut_short, 1, "--allow_truncated"),
    ],
)
def test_an_unusable_file_is_one_line(make, code, words, tmp_path):
    source = make(tmp_path / "film.mp4")
    output = tmp_path / "out"
    output.mkdir()
    command = [sys.executable, "-m", "stereojax.infer", f"--config={CONFIG}"]
    done = subprocess.run(
        [*command, f"--input={source}", f"--output={output}/o.mkv"],
        capture_output=True,
        text=True,
    )
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == code, done.stderr
    assert len(errors) == 1
    assert "Traceback" not in done.stderr
    assert source.name in errors[0]
    assert words in errors[0]
    assert list(output.iterdir()) == []


def test_the_readable_part_of_a_film_can_be_converted(tmp_path):
    source, output = cut_short(tmp_path / "film.mp4"), tmp_path / "o.mkv"
    with pytest.raises(RunError, match="truncated"):
        stereojax.convert(source, output, config=CONFIG)
    report = stereojax.convert(source, output, config=CONFIG, allow_truncated=True)
    assert 5 < report["frames_total"] < 60
    assert len(pictures(output)) == report["frames_total"]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5, 48, 64), "the file has 5"),
        ((4, 24, 32), "32x24"),
        ((4, 48, 64, 3), "depth.npz"),
    ],
)
def test_depth_of_another_film_is_refused(shape, words, tmp_path):
    source = write_film(tmp_path / "film.mp4", 4)
    depth = tmp_path / "depth.npz"
    np.savez(depth, depth=np.zeros(shape, np.float32))
    with pytest.raises(InputError) as caught:
        stereojax.convert(source, tmp_path / "o.mp4", depth_path=depth)
    assert words in str(caught.value)
    assert "depth.npz" in str(caught.value)
    assert not (tmp_path / "o.mp4").exists()


def test_the_published_strength_is_printed_in_percent(tmp_path, capfd):
    source = write_film(tmp_path / "film.mp4", 2)  # 64 pixels wide
    report = stereojax.convert(source, tmp_path / "o.mp4", config=CONFIG, max_disp=1)
    assert "--divergence=3.12, --convergence=0.5" in capfd.readouterr().err
    spread = report["shots"][0]["disparity_percent_of_width"]
    assert 2 < spread["p99"] - spread["p1"] < 3.2

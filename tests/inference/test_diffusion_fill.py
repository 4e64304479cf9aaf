"""Films with the diffusion fill, by small random networks."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from films import FRAMES, pictures, small_film
from test_resume import kill_when

import stereojax
from stereojax.cli import InputError
from stereojax.storage.work_folder import WorkFolder
from stereojax.synthetic import make_film, write_film

CONFIG = "stereocrafter:runlocal"
FLAGS = {"config": CONFIG, "steps": 2, "segment_frames": 3, "window": 8, "overlap": 2}
FLAGS["divergence"] = 8.0  # wide enough holes for a film this small


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """The source, and the frames of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("film")
    _, paths = small_film(folder)
    output = folder / "whole.mp4"
    _, errors = start(paths.left, output).communicate()
    assert output.exists(), errors
    return paths.left, output


def start(source, output, **more):
    command = [sys.executable, "-m", "stereojax.infer"]
    flags = {"input": source, "output": output} | FLAGS | more
    command += [f"--{k}={v}" for k, v in flags.items()]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_a_run_killed_inside_a_shot_reuses_its_windows(film, tmp_path):
    source, whole = film
    output = tmp_path / "film_3d.mp4"
    work = WorkFolder.of(output).root
    names = []

    def second_window() -> bool:
        names.extend(p.name for p in work.glob("fill-*/??????-??????.npy"))
        return "000000-000001.npy" in names

    kill_when(start(source, output), second_window)
    time.sleep(0.1)
    kept = sorted(p.name for p in work.glob("fill-*/??????-??????.npy"))
    assert kept[-1] == "000000-000001.npy"
    done = start(source, output)
    _, errors = done.communicate()
    assert done.returncode == 0, errors
    np.testing.assert_array_equal(pictures(output), pictures(whole))
    report = json.loads(output.with_name("film_3d.mp4.json").read_text())
    assert report["reused"]["fill"] >= 6
    assert report["frames_total"] == FRAMES
    assert not work.exists()


def test_known_pixels_are_the_splats_and_holes_are_generated(film, tmp_path):
    source, whole = film
    output = tmp_path / "plain.mp4"
    stereojax.convert(source, output, config="fast:runlocal", divergence=8.0)
    difference = np.abs(pictures(output).astype(int) - pictures(whole)).max(-1)
    left, right = np.split(difference, 2, axis=2)
    assert np.percentile(left, 99) < 16  # errors of the codec alone
    assert np.median(right) < 8
    assert (right > 32).mean() > 0.01  # the holes


NO_WEIGHTS = "weights stereocrafter/unet are not in .*convert_weights --source Tencent"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"config": "fast", "steps": 5},
            "--steps has no effect with --config=fast",
        ),
        ({"overlap": 25}, "--overlap=25: expected less than --window"),
        ({}, NO_WEIGHTS),
        ({"config": CONFIG, "tile_width": 64}, "must be longer than their overlap"),
    ],
)
def test_bad_settings_are_one_line(film, tmp_path, settings, message):
    source, _ = film
    output = tmp_path / "film_3d.mp4"
    settings = {"config": "stereocrafter", "weights_dir": tmp_path} | settings
    with pytest.raises(InputError, match=message):
        stereojax.convert(source, output, **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def grid(film, tmp_path_factory):
    """A lossless splat grid of the film."""
    source, _ = film
    folder = tmp_path_factory.mktemp("grid")
    output = folder / "film.mkv"
    look = {"debug_grid": True, "codec": "ffv1", "pixel_format": "bgr0"}
    stereojax.convert(source, output, config="fast:runlocal", **look)
    return source, output, folder / "film_grid.mkv"


def test_a_splat_grid_is_filled_like_its_film(grid, tmp_path):
    source, _, path = grid
    output = tmp_path / "filled.mkv"
    look = {"codec": "ffv1", "pixel_format": "bgr0", "config": "fast:runlocal"}
    stereojax.convert(path, output, splat_grid=True, **look)
    stereojax.convert(source, tmp_path / "whole.mkv", **look)
    # The grid holds 8 bits of the mask and of the warped view.
    expected = pictures(tmp_path / "whole.mkv")
    difference = np.abs(pictures(output).astype(int) - expected)
    assert difference.shape[1:] == (54, 192, 3)
    assert (difference <= 2).mean() > 0.99


def test_the_depth_of_a_splat_grid_is_refused(grid, tmp_path):
    with pytest.raises(InputError, match="--splat_grid and --depth_only"):
        stereojax.convert(
            grid[2], tmp_path / "depth.mkv", splat_grid=True, depth_only=True
        )


def test_parity_mode_of_a_film_and_of_its_splat_grid(tmp_path):
    film = make_film(5, frames=5, height=130, width=144, shots=1)
    source = write_film(film, tmp_path / "film").left
    config = {"config": "stereocrafter_parity:runlocal", "window": 4, "overlap": 1}
    lossless = {"codec": "ffv1", "pixel_format": "bgr0"}
    output, again = tmp_path / "film.mkv", tmp_path / "again.mkv"
    report = stereojax.convert(source, output, debug_grid=True, **config, **lossless)
    assert report["model"]["recipe"] == "published"
    stereojax.convert(
        tmp_path / "film_grid.mkv", again, splat_grid=True, **config, **lossless
    )
    actual, expected = (pictures(p).astype(int) for p in (again, output))
    assert actual.shape == (5, 130, 288, 3)
    np.testing.assert_array_equal(actual[:, :, :144], expected[:, :, :144])
    # The grid's mask and warped view are rounded to 8 bits.
    assert (np.abs(actual - expected) <= 4).mean() > 0.95
    # Everything inside the published cut is generated: noise of random networks.
    right = expected[:, :, 144:]
    difference = np.abs(right - expected[:, :, :144]).mean((0, 3))
    assert difference[:128, :128].mean() > 30
    assert difference[128:].mean() < 20

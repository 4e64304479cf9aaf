"""Runs that are killed and started again: the same film, and reused work."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from films import FRAMES, pictures, small_film

import stereojax
from stereojax.cli import InputError
from stereojax.storage.work_folder import WorkFolder

CONFIG = "fast:runlocal"
SEGMENT = 4


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """The source, and the frames of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("film")
    _, paths = small_film(folder)
    output = folder / "whole.mp4"
    _, errors = start(paths.left, output).communicate()
    assert output.exists(), errors
    return paths.left, pictures(output)


def start(source, output):
    command = [sys.executable, "-m", "stereojax.infer"]
    flags = {"input": source, "output": output, "config": CONFIG}
    flags["segment_frames"] = SEGMENT
    command += [f"--{k}={v}" for k, v in flags.items()]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def kill_when(process, ready):
    """Kills a process as soon as `ready()`; fails if it ends before that."""
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    ("pattern", "count", "kept"),
    [
        ("index-*/index.json", 1, 0),
        ("depth-*/[!.]*.json", 2, SEGMENT),  # no partial file
        ("render-*/[!.]*.json", 1, 1),
        ("render-*/[!.]*.json", 4, 3 * SEGMENT),
    ],
)
def test_a_killed_run_is_resumed(film, tmp_path, pattern, count, kept):
    source, whole = film
    output = tmp_path / "film_3d.mp4"
    work = WorkFolder.of(output).root
    kill_when(start(source, output), lambda: len(list(work.glob(pattern))) >= count)
    assert not output.exists()
    done = start(source, output)
    _, errors = done.communicate()
    assert done.returncode == 0, errors
    np.testing.assert_array_equal(pictures(output), whole)
    report = json.loads(output.with_name("film_3d.mp4.json").read_text())
    assert report["frames_total"] == FRAMES
    assert kept <= report["frames_reused"] <= FRAMES
    assert not work.exists()


def test_another_look_reuses_the_depth_alone(film, tmp_path):
    source, _ = film
    output = tmp_path / "film_3d.mp4"
    keep = {"config": CONFIG, "keep_work": True}
    first = stereojax.convert(source, output, **keep)
    assert first["reused"] == {"depth": 0, "render": 0}
    other = {"divergence": 4.0, "overwrite": True}
    second = stereojax.convert(source, output, **keep, **other)
    assert second["reused"] == {"depth": FRAMES, "render": 0}
    fresh = tmp_path / "fresh.mp4"
    stereojax.convert(source, fresh, config=CONFIG, divergence=4.0)
    np.testing.assert_array_equal(pictures(output), pictures(fresh))


def test_a_damaged_depth_file_is_made_again(film, tmp_path):
    source, _ = film
    output = tmp_path / "film_3d.mp4"
    settings = {"config": CONFIG, "segment_frames": SEGMENT}
    stereojax.convert(source, output, keep_work=True, **settings)
    before = pictures(output)
    (depth,) = WorkFolder.of(output).root.glob("depth-*/depth.json")
    depth.write_text("{")
    for folder in WorkFolder.of(output).root.glob("render-*"):
        for file in folder.iterdir():
            file.unlink()
    output.unlink()
    report = stereojax.convert(source, output, **settings)
    assert report["frames_total"] == FRAMES
    np.testing.assert_array_equal(pictures(output), before)


def test_two_runs_do_not_share_a_work_folder(film, tmp_path):
    source, _ = film
    output = tmp_path / "film_3d.mp4"
    with (
        WorkFolder.of(output).locked(),
        pytest.raises(InputError, match="in use by another run"),
    ):
        stereojax.convert(source, output, config=CONFIG)


def test_a_report_without_its_film_is_not_complete(film, tmp_path):
    source, _ = film
    output = tmp_path / "film_3d.mp4"
    settings = {"config": CONFIG, "segment_frames": SEGMENT}
    stereojax.convert(source, output, **settings)
    before = pictures(output)
    output.unlink()
    stereojax.convert(source, output, **settings)
    np.testing.assert_array_equal(pictures(output), before)

"""`stereojax.evaluate --task=depth` on rendered films, whose depth is exact."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stereojax.cli import InputError
from stereojax.depth.files.depth_file import join_segments, write_segment
from stereojax.depth.steady import estimate_changes, steady_corrections
from stereojax.evaluation.depth import evaluate, table
from stereojax.synthetic import make_film

ROOT = Path(__file__).parents[2]
FRAMES, SIZE = 16, (54, 96)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two shots, with their disparity on disk and in memory."""
    film = make_film(2, frames=FRAMES, height=SIZE[0], width=SIZE[1], shots=2)
    disparity = np.stack([frame.disparity for frame in film.render()])
    path = tmp_path_factory.mktemp("film") / "disparity.npz"
    np.savez(path, disparity=disparity)
    infinity = [film.disparity_at_infinity(shot.index) for shot in film.shots]
    return film, disparity, path, infinity


def depth_file(folder, film, frames):
    """Writes a depth file as `infer --depth_only` does."""
    paths = [folder / f"{shot.index}.mkv" for shot in film.shots]
    for path, shot in zip(paths, film.shots, strict=True):
        times = np.arange(shot.start, shot.stop) / 24
        write_segment(path, frames[shot.start : shot.stop], times)
    join_segments(
        paths,
        folder / "depth.mkv",
        units="relative",
        model="depth_anything_v2_small",
        source_hash="",
        video_width=SIZE[1],
        video_height=SIZE[0],
        shots=[{"start": s.start, "stop": s.stop} for s in film.shots],
    )
    return folder / "depth.mkv"


def inverse_depth(film, disparity, infinity):
    out = disparity.copy()
    for shot, zero in zip(film.shots, infinity, strict=True):
        out[shot.start : shot.stop] -= zero
    return out


def test_the_true_depth_scores_perfectly(film, tmp_path):
    film, disparity, path, infinity = film
    assert all(zero < 0 for zero in infinity)
    truth = inverse_depth(film, disparity, infinity)
    assert truth.min() >= -1e-4
    # The shots have different scales: each is fitted on its own.
    frames = [(1 + (i >= film.shots[1].start)) * f + 3 for i, f in enumerate(truth)]
    scores = evaluate(depth_file(tmp_path, film, frames), path, infinity=infinity)
    assert scores["frames"] == FRAMES
    assert len(scores["shots"]) == 2
    assert scores["abs_rel"] < 1e-3 and scores["delta1"] == 1
    assert scores["flicker"] < 0.05


def test_changes_of_scale_are_scored_and_so_is_their_removal(film, tmp_path):
    film, disparity, path, infinity = film
    rng = np.random.default_rng(0)
    frames = [
        (a * f + b).astype(np.float32)
        for a, b, f in zip(
            np.exp(rng.normal(0, 0.05, FRAMES)),
            rng.normal(0, 0.02, FRAMES),
            inverse_depth(film, disparity, infinity),
            strict=True,
        )
    ]
    steady = []
    for shot in film.shots:
        part = frames[shot.start : shot.stop]
        correction = steady_corrections(estimate_changes(iter(part)), 12.0)
        steady += [a * f + b for f, (a, b) in zip(part, correction, strict=True)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = evaluate(depth_file(tmp_path / "a", film, frames), path, infinity=infinity)
    after = evaluate(depth_file(tmp_path / "b", film, steady), path, infinity=infinity)
    assert before["breathing"] > 0.5
    assert after["breathing"] < before["breathing"] / 3
    assert after["flicker"] < before["flicker"] / 2


def test_depth_of_another_size_is_resized_to_the_truth(film, tmp_path):
    film, disparity, _, infinity = film
    large = np.repeat(np.repeat(disparity, 2, axis=1), 2, axis=2)
    np.savez(tmp_path / "large.npz", depth=large[: len(film.shots[0])])
    np.savez(
        tmp_path / "truth.npz", depth=disparity[: len(film.shots[0])] - infinity[0]
    )
    scores = evaluate(tmp_path / "large.npz", tmp_path / "truth.npz")
    assert scores["delta1"] > 0.97
    assert scores["shots"][0]["frames"] == len(film.shots[0])


def test_files_that_do_not_match_are_refused(film, tmp_path):
    film, disparity, path, _ = film
    np.savez(tmp_path / "short.npz", depth=disparity[:3])
    with pytest.raises(InputError, match=r"has 3 frames, and --truth=.* 16; expected"):
        evaluate(tmp_path / "short.npz", path)
    with pytest.raises(
        InputError, match=r"expected --infinity=PIXELS.* 1 shots; 0 came"
    ):
        evaluate(path, path)
    np.savez(tmp_path / "flat.npz", depth=np.zeros((FRAMES, *SIZE)))
    with pytest.raises(InputError, match="frames 0:16: no frame with true depth"):
        evaluate(path, tmp_path / "flat.npz")
    with pytest.raises(InputError, match=r"nothing\.npz: no such depth file"):
        evaluate(tmp_path / "nothing.npz", path)


def test_the_command_line(film, tmp_path):
    film, disparity, _, infinity = film
    truth = inverse_depth(film, disparity, infinity)
    np.savez(tmp_path / "truth.npz", depth=truth)
    command = [sys.executable, "-m", "stereojax.evaluate", "--task=depth"]

    def run(*flags):
        return subprocess.run(
            [*command, *flags], cwd=ROOT, capture_output=True, text=True
        )

    output = tmp_path / "scores.json"
    pred = depth_file(tmp_path, film, list(truth))
    done = run(
        f"--pred={pred}", f"--truth={tmp_path / 'truth.npz'}", f"--output={output}"
    )
    assert done.returncode == 0, done.stderr
    scores = json.loads(output.read_text())
    assert scores["delta1"] == 1
    assert done.stdout.rstrip("\n") == table(scores)
    assert done.stdout.count("\n") == 4  # a header, two shots, their mean
    failed = run(f"--pred={pred}")
    assert failed.returncode == 2
    assert failed.stderr == "error: --truth is missing; --help lists all flags\n"

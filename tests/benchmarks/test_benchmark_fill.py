"""The fill benchmark, on few pairs; and its claim, on a real one."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fill, measure
from benchmarks.fill_pairs import inner_hole, match, splatted, synthetic_pairs

OFFICE = Path(__file__).parents[2] / "../shared/data/office_stereo_sbs.mp4"


def best_of_others(rows: list[dict]) -> float:
    return max(row["dB"] for row in rows if row["method"] != fill.OURS)


def ours(rows: list[dict]) -> float:
    return next(row["dB"] for row in rows if row["method"] == fill.OURS)


def test_the_whole_benchmark_on_synthetic_scenes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    flags = ["--seeds", "0,1", "--width", "240", "--pictures", str(tmp_path / "p")]
    fill.main(flags)
    results = json.loads((tmp_path / "fill.json").read_text())["results"]
    assert len(results["pairs"]) == 2 * 2 * len(fill.METHODS)
    for _, rows in itertools.groupby(results["means"], lambda row: row["size"]):
        rows = list(rows)
        assert {row["method"] for row in rows} == set(fill.METHODS)
        assert ours(rows) > best_of_others(rows)
    assert len(list((tmp_path / "p").iterdir())) == 2 * 2 * (len(fill.METHODS) + 2)
    assert "dB against" in capsys.readouterr().out


def test_ours_is_above_each_on_a_real_pair():
    if not OFFICE.exists():
        pytest.skip(f"{OFFICE.name} is not beside the repository")
    rows = fill.means(fill.score(fill.video_pairs(OFFICE, [0]), factors=[3]))
    assert rows[0]["pairs"] == 2
    assert ours(rows) > best_of_others(rows)


def test_scores_are_of_the_hole_alone():
    case = splatted(next(synthetic_pairs([0], 160)))
    off = np.where(case.truth > 0.5, case.truth - 0.1, case.truth + 0.1)
    off = np.where(case.counted[..., None], off, 0)
    assert fill.hole_psnr(off, case) == pytest.approx(20, abs=1e-3)
    empty = fill.hole_psnr(case.warped, case)
    assert all(fill.hole_psnr(m(case), case) > empty for m in fill.METHODS.values())


def test_strips_at_the_sides_are_not_scored():
    hole = np.zeros((2, 30), bool)
    hole[0, :6] = hole[0, 12:15] = hole[0, 20:25] = hole[0, 27:] = True
    hole[1, 3:5] = True
    inner = inner_hole(hole)
    # Columns 25 and 26 are crumbs in the right strip.
    np.testing.assert_array_equal(np.flatnonzero(inner[0]), range(12, 15))
    np.testing.assert_array_equal(np.flatnonzero(inner[1]), [3, 4])


def test_matching_finds_a_known_shift():
    rng = np.random.default_rng(0)
    wide = np.repeat(rng.integers(0, 255, (60, 170, 1), np.uint8), 3, axis=2)
    pair = match("shift", "0", wide[:, :160], wide[:, 5:165])
    middle = pair.disparity[10:-10, 40:-10]
    assert np.abs(middle - 5).max() < 0.2

"""The matching benchmark: a case with known errors, and SGBM on small films."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import matching, measure
from stereojax.matching import Sgbm

OFFICE = Path(__file__).parents[2] / "../shared/data/office_stereo_sbs.mp4"


def test_errors_of_a_known_case():
    truth = np.zeros((2, 2, 4), np.float32)
    truth[1] = 1
    estimate = truth.copy()
    estimate[0, 0, 0] = 2  # wrong by 2 in one frame: its change is wrong by 2 too
    estimate[:, 1, 1] += 5  # wrong by 5 in both frames
    estimate[1, 0, 3] = np.nan  # no match
    visible = np.ones(truth.shape, bool)
    visible[:, 1, 3] = False
    estimate[:, 1, 3] = 99  # invisible, not counted
    assert matching.errors(estimate, truth, visible) == pytest.approx(
        {
            "EPE": 12 / 13,
            "TEPE": 2 / 6,
            "bad 1 %": 100 * 4 / 14,
            "bad 3 %": 100 * 3 / 14,
        }
    )


def test_agreement_of_both_views():
    left = np.float32([[0, 3, 2, 2, np.nan, 2]])
    right = np.float32([[2, 2, 2.5, 9, 9, 9]])
    kept = matching.agreed(left, right)
    np.testing.assert_array_equal(kept, [[np.nan] * 2 + [2, 2, np.nan, np.nan]])


def test_sgbm_on_small_films(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    sets = ["--sets", "room,street", "--seeds", "1", "--frames", "2"]
    matching.main([*sets, "--width", "320", "--matcher", "sgbm"])
    rows = json.loads((tmp_path / "matching.json").read_text())["results"]
    assert [row["shot"] for row in rows] == ["room", "street"]
    for row in rows:
        assert row["EPE"] < 0.6
        assert row["bad 3 %"] < 5
        assert row["agree %"] > 85
        assert row["dB"] > 28
    assert "EPE" in capsys.readouterr().out


def test_a_filmed_pair():
    if not OFFICE.exists():
        pytest.skip(f"{OFFICE.name} is not next to the repository")
    row = matching.score(Sgbm(), matching.filmed(OFFICE, 1))
    assert row["size"] == "1280x720" and "EPE" not in row
    assert row["agree %"] > 65
    assert row["dB"] > 30

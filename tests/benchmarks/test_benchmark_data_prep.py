"""The arithmetic of the data preparation's price."""

import pytest

from benchmarks.data_prep import costs_of, paper

RUN = {
    "workers": 1,
    "frames": 200,
    "kept": 100,
    "bytes": 60_000_000,
    "CPU seconds": 100.0,
    "stages": {"match": 40.0, "splat": 20.0},
}


def test_a_frame_costs_what_the_run_cost_over_its_frames():
    costs = costs_of(RUN)
    assert costs["kB"] == 600  # of what was kept
    spent = costs["match"], costs["all"], costs["CPU"]
    assert spent == pytest.approx((0.2, 0.3, 0.5))


def test_the_paper_is_25_million_of_them():
    bill = paper(costs_of(RUN))
    assert bill["TB"] == pytest.approx(15)
    assert bill["shards of 1 GB"] == pytest.approx(15_000)
    assert bill["of them matching"] == pytest.approx(25e6 * 0.2 / 3600)
    assert bill["core hours"] == pytest.approx(25e6 * 0.5 / 3600)

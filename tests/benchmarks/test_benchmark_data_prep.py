"""The arithmetic of the data preparation's price."""

import pytest

from benchmarks.data_prep import paper, price


def test_a_frame_costs_what_the_film_cost_over_its_frames():
    seconds = {"match": 40.0, "splat": 20.0}
    costs = price(seconds, 200, [20_000_000, 40_000_000], {"kept_frames": 100})
    assert costs["kB"] == 600  # of what was kept
    assert (costs["match"], costs["splat"]) == (0.2, 0.1)
    assert costs["all"] == pytest.approx(0.3)
    assert price(seconds, 200, [], {"kept_frames": 0})["kB"] == 0


def test_the_paper_is_25_million_of_them():
    bill = paper({"match": 0.2, "all": 0.5, "kB": 600.0})
    assert bill["TB"] == pytest.approx(15)
    assert bill["shards of 1 GB"] == pytest.approx(15_000)
    assert bill["of them matching"] == pytest.approx(25e6 * 0.2 / 3600)
    assert bill["core hours"] == pytest.approx(25e6 * 0.5 / 3600)

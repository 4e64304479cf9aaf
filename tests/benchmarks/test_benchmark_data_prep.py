"""The extrapolation of data preparation's costs to the paper's dataset."""

import pytest

from benchmarks.data_prep import paper


def test_costs_of_25_million_frames():
    costs = {"match": 0.2, "splat": 0.3, "parallax": 2.0, "layout": 3.6, "kB": 600.0}
    total = paper(costs)
    assert total["TB"] == pytest.approx(15)
    assert total["shards of 1 GB"] == pytest.approx(15_000)
    assert total["of them matching"] == pytest.approx(25e6 * 0.2 / 3600)
    hours = 25e6 * 0.5 / 3600 + 180_000 * 2 / 3600 + 1
    assert total["core hours"] == pytest.approx(hours)

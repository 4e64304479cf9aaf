"""The arithmetic of the data preparation's price."""

import pytest

from benchmarks.data_prep import paper


def test_the_paper_is_25_million_of_them():
    costs = {"match": 0.2, "splat": 0.3, "parallax": 2.0, "layout": 3.6, "kB": 600.0}
    bill = paper(costs)
    assert bill["TB"] == pytest.approx(15)
    assert bill["shards of 1 GB"] == pytest.approx(15_000)
    assert bill["of them matching"] == pytest.approx(25e6 * 0.2 / 3600)
    hours = 25e6 * 0.5 / 3600 + 180_000 * 2 / 3600 + 1
    assert bill["core hours"] == pytest.approx(hours)

"""The arithmetic of the data preparation's price."""

import pytest

from benchmarks.data_prep import paper, price
from data_prep.summary import Sample, Summary


def film(dropped=None):
    samples = (Sample(0, 0, 100, dropped),)
    seconds = {"match": 40.0, "splat": 20.0, "parallax": 6.0, "layout": 8.0}
    return Summary("f", "h", "stereo", "sbs", 200, (90, 60, 50), samples, seconds)


def test_a_frame_costs_what_the_film_cost_over_its_frames():
    costs = price(film(), [20_000_000, 40_000_000])
    assert costs["kB"] == 600  # of what was kept
    assert (costs["match"], costs["splat"]) == (0.2, 0.1)
    assert (costs["parallax"], costs["layout"]) == (2.0, 8.0)  # a shot, a film
    assert price(film("psnr"), [])["kB"] == 0


def test_the_paper_is_25_million_of_them():
    costs = {"match": 0.2, "splat": 0.3, "parallax": 2.0, "layout": 3.6, "kB": 600.0}
    bill = paper(costs)
    assert bill["TB"] == pytest.approx(15)
    assert bill["shards of 1 GB"] == pytest.approx(15_000)
    assert bill["of them matching"] == pytest.approx(25e6 * 0.2 / 3600)
    hours = 25e6 * 0.5 / 3600 + 180_000 * 2 / 3600 + 1
    assert bill["core hours"] == pytest.approx(hours)

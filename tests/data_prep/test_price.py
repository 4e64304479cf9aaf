"""What a film costs, by the frame, the shot and the film."""

import pytest

from benchmarks.data_price import price
from data_prep.film_summary import Sample, Summary
from data_prep.stage_timer import Clock


def film(dropped=None):
    samples = (Sample(0, 0, 100, dropped),)
    seconds = {"match": 40.0, "splat": 20.0, "parallax": 6.0, "layout": 8.0}
    return Summary("f", "h", "stereo", "sbs", 200, (90, 60, 50), samples, seconds)


def test_a_frame_costs_what_the_film_cost_over_its_frames():
    costs = price(film(), [20_000_000, 40_000_000])
    assert costs["kB"] == pytest.approx(600)  # of what was kept
    assert (costs["match"], costs["splat"]) == (0.2, 0.1)
    assert (costs["parallax"], costs["layout"]) == (2.0, 8.0)  # a shot, a film
    assert price(film("psnr"), [])["kB"] == 0


def test_a_clock_counts_what_it_is_given():
    times = iter([1.0, 4.5])
    clock = Clock(lambda: next(times))
    with clock("match"):
        pass
    assert clock.seconds == {"match": 3.5}

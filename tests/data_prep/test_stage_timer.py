"""The stage timer, and the costs per frame, shot and film."""

import pytest

from benchmarks.data_price import price
from data_prep.film_summary import FilmSummary, SequenceSummary
from data_prep.stage_timer import StageTimer


def film(dropped=None):
    samples = (SequenceSummary(0, 0, 100, dropped),)
    seconds = {"match": 40.0, "splat": 20.0, "parallax": 6.0, "layout": 8.0}
    shots = (90, 60, 50)
    return FilmSummary("f", "h", "stereo", "sbs", 200, shots, samples, seconds)


def test_costs_are_per_frame_except_parallax_and_layout():
    costs = price(film(), [20_000_000, 40_000_000])
    assert costs["kB"] == pytest.approx(600)  # per kept frame
    assert (costs["match"], costs["splat"]) == (0.2, 0.1)
    assert (costs["parallax"], costs["layout"]) == (2.0, 8.0)  # per shot, per film
    assert price(film("psnr"), [])["kB"] == 0


def test_the_timer_sums_seconds_of_its_clock():
    times = iter([1.0, 4.5])
    timer = StageTimer(lambda: next(times))
    with timer("match"):
        pass
    assert timer.seconds == {"match": 3.5}


def test_iterating_does_not_count_the_time_of_inner_stages():
    now = [0.0]
    timer = StageTimer(lambda: now[0])

    def items():
        for _ in range(2):
            now[0] += 1.0
            with timer("inner"):
                now[0] += 10.0
            yield now[0]

    assert list(timer.iterate("outer", items())) == [11.0, 22.0]
    assert timer.seconds == {"inner": 20.0, "outer": 2.0}

"""Semi-global matching: how near to the truth it is, and its range."""

import collections
import weakref

import numpy as np
import pytest
import stereo_films

from stereojax.matching import Sgbm, match_both


def visible(truth: np.ndarray, right_disparity: np.ndarray) -> np.ndarray:
    """Where the right eye sees what the left one sees there."""
    width = truth.shape[-1]
    x = np.round(np.arange(width) - truth).astype(int)
    there = np.take_along_axis(right_disparity, np.clip(x, 0, width - 1), axis=-1)
    return (x >= 0) & (x < width) & (np.abs(there - truth) < 1)


@pytest.mark.parametrize(("sets", "bound"), [("room", 0.5), ("street", 0.9)])
def test_error_on_known_scenes(sets, bound):
    left, right, truth = stereo_films.scene(
        seed=1, frames=2, width=512, height=288, sets=(sets,)
    )
    (found, _) = Sgbm(least=-0.06, largest=0.06).match(zip(left, right, strict=True))
    error = np.abs(found - truth[0])
    assert np.isfinite(found).mean() > 0.95
    assert np.nanmedian(error) < 0.25
    # Half-occluded pixels are in it: the mean is theirs.
    assert np.nanmean(error) < bound


def test_it_finds_what_lies_in_its_range_and_nothing_else():
    rng = np.random.default_rng(1)
    wide = rng.integers(0, 255, (40, 400, 3), dtype=np.uint8)
    left, right = wide[:, 40:296], wide[:, 20:276]  # disparity -20
    matcher = Sgbm(least=-0.1, largest=0.1)
    low, high = matcher.span(256)
    assert low <= -25.6 and high >= 25.6
    (found,) = matcher.match(iter([(left, right)]))
    assert np.median(found[:, 30:-30]) == -20
    (found,) = Sgbm(least=0.0).match(iter([(left, right)]))
    assert np.nanmin(found) >= 0


def test_both_directions_hold_no_more_than_the_matcher_looks_ahead():
    views: list[weakref.ref] = []
    alive = []

    class View(np.ndarray):
        """Can be referred to weakly."""

    def pairs():
        for i in range(40):
            pair = [np.full((4, 40, 3), i, np.uint8).view(View) for _ in range(2)]
            views.extend(weakref.ref(view) for view in pair)
            alive.append(sum(view() is not None for view in views))
            yield tuple(pair)
            del pair

    class Ahead:
        name, licence, per_frame = "ahead", "none", False
        ahead = 3

        def span(self, width):
            return 0.0, 1.0

        def match(self, pairs):
            waiting = collections.deque()
            for left, _ in pairs:
                waiting.append(float(left[0, 0, 0]))
                if len(waiting) > self.ahead:
                    yield np.full((4, 40), waiting.popleft(), np.float32)
            for value in waiting:
                yield np.full((4, 40), value, np.float32)

    found = [(float(a[0, 0]), float(b[0, 0])) for a, b in match_both(Ahead(), pairs())]
    assert found == [(i, i) for i in range(40)]
    assert max(alive) <= 2 * (Ahead.ahead + 3)

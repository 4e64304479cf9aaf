"""Semi-global matching: its error, its range and its memory."""

import collections
import weakref

import numpy as np
import pytest
import stereo_films

from stereojax.matching import Sgbm, match_both


@pytest.mark.parametrize(("sets", "bound"), [("room", 0.5), ("street", 0.9)])
def test_the_error_on_synthetic_scenes_is_small(sets, bound):
    left, right, truth = stereo_films.scene(
        seed=1, frames=2, width=512, height=288, sets=(sets,)
    )
    matcher = Sgbm(min_disparity=-0.06, max_disparity=0.06)
    estimate, _ = matcher.match(zip(left, right, strict=True))
    error = np.abs(estimate - truth[0])
    assert np.isfinite(estimate).mean() > 0.95
    assert np.nanmedian(error) < 0.25
    # The mean includes occluded pixels, which dominate it.
    assert np.nanmean(error) < bound


def test_only_disparities_in_the_range_are_found():
    rng = np.random.default_rng(1)
    wide = rng.integers(0, 255, (40, 400, 3), dtype=np.uint8)
    left, right = wide[:, 40:296], wide[:, 20:276]  # disparity -20
    matcher = Sgbm(min_disparity=-0.1, max_disparity=0.1)
    low, high = matcher.disparity_range(256)
    assert low <= -25.6 and high >= 25.6
    (estimate,) = matcher.match(iter([(left, right)]))
    assert np.median(estimate[:, 30:-30]) == -20
    (estimate,) = Sgbm(min_disparity=0.0).match(iter([(left, right)]))
    assert np.nanmin(estimate) >= 0


def test_match_both_buffers_only_what_the_matcher_reads_ahead():
    views: list[weakref.ref] = []
    alive = []

    class View(np.ndarray):
        """An array that can have weak references."""

    def pairs():
        for i in range(40):
            pair = [np.full((4, 40, 3), i, np.uint8).view(View) for _ in range(2)]
            views.extend(weakref.ref(view) for view in pair)
            alive.append(sum(view() is not None for view in views))
            yield tuple(pair)
            del pair

    class ReadAhead:
        name, licence, per_frame = "ahead", "none", False
        ahead = 3

        def disparity_range(self, width):
            return 0.0, 1.0

        def match(self, pairs):
            waiting = collections.deque()
            for left, _ in pairs:
                waiting.append(float(left[0, 0, 0]))
                if len(waiting) > self.ahead:
                    yield np.full((4, 40), waiting.popleft(), np.float32)
            for value in waiting:
                yield np.full((4, 40), value, np.float32)

    values = [
        (float(a[0, 0]), float(b[0, 0])) for a, b in match_both(ReadAhead(), pairs())
    ]
    assert values == [(i, i) for i in range(40)]
    assert max(alive) <= 2 * (ReadAhead.ahead + 3)

"""The contract of stereo matchers, tested on each of them."""

import numpy as np
import pytest
import stereo_films

from stereojax.cli import InputError
from stereojax.matching import MATCHERS, Matcher, choose_matcher, match_both

pytestmark = pytest.mark.parametrize("name", MATCHERS)


def shifted(disparity: int, width: int = 256):
    """Returns views of a random texture at a constant disparity."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (48, width // 2 + 64, 3), dtype=np.uint8)
    wide = coarse.repeat(2, axis=0).repeat(2, axis=1)
    return wide[:, 64 : 64 + width], wide[:, 64 + disparity : 64 + disparity + width]


def test_a_matcher_has_name_and_disparity_range(name):
    matcher = choose_matcher(name)
    assert isinstance(matcher, Matcher)
    assert matcher.name == name
    low, high = matcher.disparity_range(1024)
    assert low <= 0 < 0.1 * 1024 < high


@pytest.mark.parametrize("disparity", [2, 13])
def test_positive_disparity_is_further_left_in_the_right_view(name, disparity):
    left, right = shifted(disparity)
    (estimate,) = choose_matcher(name).match(iter([(left, right)]))
    assert estimate.shape == left.shape[:2]
    assert estimate.dtype == np.float32
    inner = estimate[8:-8, 40:-40]
    assert np.nanmedian(inner) == pytest.approx(disparity, abs=0.1)
    assert np.mean(np.abs(inner - disparity) < 0.5) > 0.97


def test_every_pair_has_a_disparity_in_order(name):
    pairs = [shifted(d) for d in (3, 9, 6)]
    estimates = list(choose_matcher(name).match(iter(pairs)))
    middles = [float(np.nanmedian(d)) for d in estimates]
    assert middles == pytest.approx([3, 9, 6], abs=0.2)


def test_the_disparities_of_both_views_agree(name):
    left, right, truth = stereo_films.scene(frames=2)
    low = int(np.floor(truth.min()))
    views = stereo_films.plant(left, right, -low)
    pairs = zip(*views, strict=True)
    left_disparities, right_disparities = zip(
        *match_both(choose_matcher(name), pairs), strict=True
    )
    width = left_disparities[0].shape[1]
    estimates = zip(left_disparities, right_disparities, truth, strict=True)
    for one, other, exact in estimates:
        x = np.arange(width) - one
        inside = np.nan_to_num(x, nan=-1) >= 0
        partner = np.clip(np.nan_to_num(np.round(x)), 0, width - 1).astype(int)
        sampled = np.take_along_axis(other, partner, axis=1)
        agrees = inside & (np.abs(sampled - one) <= 1)
        assert agrees.mean() > 0.8
        error = np.abs(one - (exact[:, :width] - low))[agrees]
        assert np.median(error) < 0.3
        assert error.mean() < 1.0


def test_an_unknown_name_is_an_error(name):
    with pytest.raises(InputError, match=f"matcher best: expected one of .*{name}"):
        choose_matcher("best")

"""What every matcher has to do, whichever it is."""

import numpy as np
import pytest
import stereo_films

from stereojax.cli import InputError
from stereojax.matching import MATCHERS, Matcher, choose, match_both

pytestmark = pytest.mark.parametrize("name", MATCHERS)


def shifted(disparity: int, width: int = 256):
    """A random texture that lies `disparity` pixels further left in the right view."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (48, width // 2 + 64, 3), dtype=np.uint8)
    wide = coarse.repeat(2, axis=0).repeat(2, axis=1)
    return wide[:, 64 : 64 + width], wide[:, 64 + disparity : 64 + disparity + width]


def test_it_keeps_the_contract(name):
    matcher = choose(name)
    assert isinstance(matcher, Matcher)
    assert matcher.name == name
    low, high = matcher.span(1024)
    assert low <= 0 < 0.1 * 1024 < high


@pytest.mark.parametrize("disparity", [2, 13])
def test_positive_is_to_the_left_in_the_right_view(name, disparity):
    left, right = shifted(disparity)
    (found,) = choose(name).match(iter([(left, right)]))
    assert found.shape == left.shape[:2]
    assert found.dtype == np.float32
    inner = found[8:-8, 40:-40]
    assert np.nanmedian(inner) == pytest.approx(disparity, abs=0.1)
    assert np.mean(np.abs(inner - disparity) < 0.5) > 0.97


def test_a_disparity_for_every_pair_in_order(name):
    pairs = [shifted(d) for d in (3, 9, 6)]
    found = list(choose(name).match(iter(pairs)))
    middles = [float(np.nanmedian(d)) for d in found]
    assert middles == pytest.approx([3, 9, 6], abs=0.2)


def test_both_views_agree_on_what_both_see(name):
    left, right, truth = stereo_films.scene(frames=2)
    low = int(np.floor(truth.min()))
    views = stereo_films.plant(left, right, -low)
    pairs = zip(*views, strict=True)
    ours, theirs = zip(*match_both(choose(name), pairs), strict=True)
    width = ours[0].shape[1]
    for one, other, exact in zip(ours, theirs, truth, strict=True):
        x = np.arange(width) - one
        inside = np.nan_to_num(x, nan=-1) >= 0
        there = np.clip(np.nan_to_num(np.round(x)), 0, width - 1).astype(int)
        answer = np.take_along_axis(other, there, axis=1)
        agrees = inside & (np.abs(answer - one) <= 1)
        assert agrees.mean() > 0.8
        error = np.abs(one - (exact[:, :width] - low))[agrees]
        assert np.median(error) < 0.3
        assert error.mean() < 1.0


def test_an_unknown_name_is_one_line(name):
    with pytest.raises(InputError, match=f"matcher best: there are .*{name}"):
        choose("best")

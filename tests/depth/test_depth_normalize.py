"""Ranges are robust and independent of segments; disparity follows the formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stereojax.depth.normalize import (
    RangeStatistics,
    normalize,
    shot_range,
    to_disparity,
)

PERCENTS = (0.0, 1.0, 25.0, 50.0, 99.0, 100.0)


def counted(*parts):
    statistics = RangeStatistics()
    for part in parts:
        statistics.add(part)
    return statistics


@pytest.mark.parametrize(
    ("scale", "shift"), [(1, 0), (1e-4, 0), (3000, 500), (0.1, 7), (1, -20)]
)
def test_percentiles_match_numpy_within_a_bin(scale, shift):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(200_000) ** 3 * scale + shift).astype(np.float32)
    got = np.array(counted(x).percentiles(PERCENTS))
    expected = np.percentile(x.astype(np.float64), PERCENTS)
    # Tolerance: a bin's width, and the distance of neighbours in the sparse tails.
    np.testing.assert_allclose(got, expected, rtol=1 / 8192, atol=1e-5 * scale)


@settings(max_examples=30, deadline=None)  # each has four million bins
@given(
    hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(width=32)),
    st.lists(st.integers(0, 60), max_size=4),
    st.randoms(),
)
def test_percentiles_do_not_depend_on_order_or_cuts(x, cuts, random):
    parts = np.split(x, sorted(c for c in cuts if c < len(x)))
    random.shuffle(parts)
    got = counted(*parts).percentiles(PERCENTS)
    assert got == counted(x).percentiles(PERCENTS)
    assert np.isfinite(got).all() and list(got) == sorted(got)
    finite = x[np.isfinite(x)]
    if finite.size:
        assert got[0] == finite.min() and got[-1] == finite.max()


def test_a_few_near_particles_do_not_change_the_range():
    rng = np.random.default_rng(0)
    frames = rng.uniform(1, 2, (8, 40, 50)).astype(np.float32)
    low, high = shot_range(iter(frames))
    assert 1.0 < low < 1.03 and 1.97 < high < 2.0
    frames[3, :2, :10] = 1000.0
    assert shot_range(iter(frames)) == pytest.approx((low, high), abs=0.01)


def test_masked_and_invalid_pixels_do_not_count():
    frame = np.full((6, 8), 5.0, np.float32)
    frame[0], frame[1] = -100.0, np.nan
    mask = np.ones_like(frame, bool)
    mask[0] = False
    statistics = RangeStatistics()
    statistics.add(frame, mask)
    assert statistics.percentiles((0.0, 50.0, 100.0)) == (5.0, 5.0, 5.0)
    assert RangeStatistics().percentiles((1.0, 99.0)) == (0.0, 0.0)


def test_the_range_becomes_the_unit_interval():
    depth = jnp.array([[-1.0, 2.0, 3.0, 4.0, 9.0, jnp.nan, jnp.inf]])
    expected = [[0.0, 0.0, 0.5, 1.0, 1.0, 0.0, 1.0]]
    np.testing.assert_array_equal(normalize(depth, 2.0, 4.0), expected)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e6, 1e30])
def test_flat_depth_becomes_the_value_of_flat(value):
    depth = jnp.full((2, 3), value).at[0, 0].set(jnp.nan)
    low, high = shot_range([np.asarray(depth)])
    np.testing.assert_array_equal(normalize(depth, low, high), 0.5)
    on_screen = normalize(depth, low, high, flat=0.67)
    kwargs = {"divergence": 2.0, "convergence": 0.67, "width": 1000}
    np.testing.assert_allclose(to_disparity(on_screen, **kwargs), 0, atol=1e-6)


def test_disparity_is_a_share_of_the_width():
    depth = jnp.array([[0.0, 0.5, 1.0]])
    got = to_disparity(depth, divergence=2.0, convergence=0.5, width=1920)
    np.testing.assert_allclose(got, [[-19.2, 0.0, 19.2]], rtol=1e-6)


def test_normalize_and_to_disparity_run_under_jit_with_traced_settings():
    depth = np.random.default_rng(0).uniform(0, 9, (2, 4, 5)).astype(np.float32)

    @jax.jit
    def run(depth, low, high, divergence):
        unit = normalize(depth, low, high)
        return to_disparity(unit, divergence=divergence, convergence=0.67, width=100)

    expected = (np.clip((depth - 1) / 7, 0, 1) - 0.67) * 3
    low, high, divergence = (jnp.float32(x) for x in (1, 8, 3))
    np.testing.assert_allclose(run(depth, low, high, divergence), expected, atol=1e-5)

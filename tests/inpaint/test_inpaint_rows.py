"""Row extension against a loop over pixels."""

import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint.rows import extend_rows


def by_hand(colors: np.ndarray, hole: np.ndarray, reach: float):
    """Returns one row's fill, its distances, and the pixels filled from the right."""
    width = len(hole)
    filled, distance = colors.astype(np.float64), np.zeros(width)
    from_right = np.ones(width, bool)
    for x in np.flatnonzero(hole):
        right = [i for i in range(x, width) if not hole[i]]
        left = [i for i in range(x, -1, -1) if not hole[i]]
        side = right or left
        weights = np.exp([-abs(i - side[0]) / reach for i in side])
        filled[:, x] = filled[:, side] @ weights / weights.sum()
        distance[x], from_right[x] = abs(side[0] - x), bool(right)
    return filled, distance, from_right


@pytest.mark.parametrize("reach", [0.05, 4.0])
def test_each_row_against_a_loop(reach):
    rng = np.random.default_rng(0)
    colors = rng.random((3, 20, 41), np.float32)
    hole = rng.random((20, 41)) < rng.random((20, 1))
    hole[3, 10:35] = True
    hole[:, 7] = False
    emptied = np.where(hole, 7, colors).astype(np.float32)
    extended, distance, from_right = extend_rows(
        jnp.asarray(emptied), jnp.asarray(hole), reach=reach
    )
    for y in range(20):
        expected = by_hand(colors[:, y], hole[y], reach)
        np.testing.assert_allclose(extended[:, y], expected[0], atol=1e-5)
        np.testing.assert_array_equal(distance[y], expected[1])
        np.testing.assert_array_equal(
            np.asarray(from_right[y])[hole[y]], expected[2][hole[y]]
        )


def test_means_do_not_fade_along_a_wide_hole():
    """exp(-1 / reach) ** width is 0 in float32; the mean stays finite."""
    colors = np.zeros((3, 1, 600), np.float32)
    colors[:, 0, -2:] = [[0.2, 0.4]] * 3
    hole = np.ones((1, 600), bool)
    hole[0, -2:] = False
    extended, _, _ = extend_rows(jnp.asarray(colors), jnp.asarray(hole), reach=1.0)
    expected = (0.2 + 0.4 * np.exp(-1)) / (1 + np.exp(-1))
    np.testing.assert_allclose(extended[:, 0, :-2], expected, atol=1e-6)


def test_a_row_without_known_pixels_copies_the_nearest_row_with_some():
    colors = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None], (3, 6, 8)) / 10
    hole = np.zeros((6, 8), bool)
    hole[2:5] = hole[0] = True
    extended, _, _ = extend_rows(jnp.asarray(colors), jnp.asarray(hole), reach=1.0)
    # Of two equally near rows, the upper one.
    np.testing.assert_allclose(
        extended[0, :, 0], [0.1, 0.1, 0.1, 0.1, 0.5, 0.5], atol=1e-6
    )

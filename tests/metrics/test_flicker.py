"""Flicker: the change of the fill beyond the change of the true view."""

import numpy as np
import pytest

from stereojax.metrics.flicker import flicker


@pytest.fixture
def film():
    """A static textured wall with a hole, three frames."""
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.random((1, 16, 20, 3), np.float32), 3, 0)
    hole = np.zeros(truth.shape[:3], bool)
    hole[:, 4:12, 6:14] = True
    return truth, hole


def test_a_changing_fill_over_a_static_wall_counts_its_change(film):
    truth, hole = film
    fill = truth.copy()
    fill[:, 4:12, 6:14] = 0.5
    assert flicker(fill, truth, hole) == 0  # wrong, but steady
    fill[1, 4:12, 6:14] = 0.6
    assert flicker(fill, truth, hole) == pytest.approx(0.1, rel=1e-4)
    outside = truth.copy()
    outside[1, :3] += 0.3
    assert flicker(outside, truth, hole) == 0


def test_a_fill_that_moves_with_the_background_does_not_flicker(film):
    moving = np.stack([np.roll(film[0][0], t, 1) for t in range(3)])
    hole = film[1]
    assert flicker(moving, moving, hole) == 0
    late = np.stack([np.roll(film[0][0], t + 1, 1) for t in range(3)])
    assert flicker(late, moving, hole) < 0.02
    # The change beyond the truth's own is all that remains.
    truth = np.full_like(moving, 0.2)
    truth[1] = 0.3
    fill = np.full_like(moving, 0.2)
    fill[1] = 0.45
    assert flicker(fill, truth, hole) == pytest.approx(0.15, rel=1e-4)


def test_only_pixels_in_the_holes_of_both_frames_count(film):
    truth, hole = film
    hole = hole.copy()
    hole[1:, :8] = False
    fill = truth.copy()
    fill[1, 4:8] += 0.5  # in the hole of frame 0 only
    assert flicker(fill, truth, hole) == 0
    hole[0, 8:] = False
    hole[2, 8:] = False
    assert np.isnan(flicker(fill, truth, hole))
    assert np.isnan(flicker(fill[:1], truth[:1], film[1][:1]))


def test_batches_and_soft_masks(film):
    truth, hole = film
    fill = truth.copy()
    fill[1] += 0.1
    both = flicker(*(np.stack([x, y]) for x, y in ((fill, truth), (truth, truth))),
                   np.stack([hole, hole]))  # fmt: skip
    assert both.shape == (2,) and both[1] == 0
    weights = 0.3 * hole.astype(np.float32)
    assert flicker(fill, truth, weights) == pytest.approx(float(both[0]), rel=1e-5)

"""Ghost energy of ghosts, blur and displaced edges; masks and batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.metrics.ghost_energy import dilate, ghost_energy, gradient_magnitude

HEIGHT, WIDTH = 12, 40


@pytest.fixture
def scene():
    """A dark object up to column 10, a hole from 10 to 20, a smooth wall."""
    truth = np.broadcast_to(np.linspace(0.5, 0.6, WIDTH), (1, HEIGHT, WIDTH)).copy()
    truth[..., :10] = 0.1
    hole = np.zeros((1, HEIGHT, WIDTH), bool)
    hole[..., 10:20] = True
    return np.repeat(truth[..., None], 3, -1).astype(np.float32), hole


def test_a_second_outline_counts_and_the_truth_does_not(scene):
    truth, hole = scene
    assert ghost_energy(truth, truth, hole) == 0
    ghost = truth.copy()
    ghost[:, :, 15] -= 0.2
    # Two steps of about 0.2 in each row, over a hole of 10 and a ring of 3 + 3.
    energy = ghost_energy(ghost, truth, hole)
    assert energy == pytest.approx(2 * 0.2 / 16, rel=0.05)
    assert ghost_energy(ghost, truth, hole, ring=0) == pytest.approx(0.04, rel=0.05)
    assert ghost_energy(2 * ghost, 2 * truth, hole) == pytest.approx(2 * float(energy))


def test_a_ghost_in_the_ring_counts_and_beyond_it_does_not(scene):
    truth, hole = scene
    for column, counts in ((21, True), (24, False), (30, False)):
        ghost = truth.copy()
        ghost[:, :, column] += 0.2
        assert (ghost_energy(ghost, truth, hole) > 0.005) == counts, column
        assert ghost_energy(ghost, truth, hole, ring=0) == 0


def test_blur_and_an_edge_displaced_by_one_pixel_are_no_ghosts(scene):
    truth, hole = scene
    blurred = (truth + np.roll(truth, 1, 2) + np.roll(truth, -1, 2)) / 3
    assert ghost_energy(blurred, truth, hole) < 1e-4
    displaced = truth.copy()
    displaced[:, :, 10] = 0.1
    assert ghost_energy(displaced, truth, hole) < 1e-3
    assert ghost_energy(displaced, truth, hole, tolerance=0) > 0.02
    displaced[:, :, 11:13] = 0.1
    assert ghost_energy(displaced, truth, hole) > 0.02


def test_batches_and_soft_masks(scene):
    truth, hole = scene
    ghost = truth.copy()
    ghost[:, :, 15] -= 0.2
    two = [np.stack([x, y]) for x, y in ((ghost, truth), (truth, truth), (hole, hole))]
    energy = ghost_energy(*two)
    assert energy.shape == (2,)
    assert energy[0] == ghost_energy(ghost, truth, hole) and energy[1] == 0
    half = 0.5 * hole.astype(np.float32)
    assert ghost_energy(ghost, truth, half) == pytest.approx(float(energy[0]), rel=1e-5)
    # All frames count together, by the area of their holes.
    frames = [np.concatenate([x, y]) for x, y in ((ghost, truth), (truth, truth))]
    small = hole & (np.arange(WIDTH) >= 18)
    masks = np.concatenate([hole, small])
    total = ghost_energy(*frames, masks, ring=0)
    assert total == pytest.approx(0.4 / 12, rel=0.05)
    assert np.isnan(ghost_energy(ghost, truth, np.zeros_like(hole)))


def test_gradients_are_finite_on_flat_pictures(scene):
    truth, hole = scene
    flat = jnp.full(truth.shape, 0.5)
    gradient = jax.grad(lambda x: ghost_energy(x, truth, hole))(flat)
    assert np.isfinite(gradient).all()


def test_gradient_magnitude_of_a_line_and_dilation():
    picture = np.zeros((5, 7, 3), np.float32)
    picture[:, 3] = 0.5
    gradient = gradient_magnitude(picture)
    np.testing.assert_allclose(gradient[2], [0, 0, 0.5, 0.5, 0, 0, 0])
    point = jnp.zeros((5, 7)).at[1, 2].set(0.5)
    wide = np.zeros((5, 7))
    wide[0:3, 1:4] = 0.5
    np.testing.assert_array_equal(dilate(point, 1), wide)

"""Edge and wire widths of profiles whose widths are known."""

import numpy as np
import pytest

from stereojax.metrics.edge_width import (
    edge_roughness,
    edge_width,
    opacity,
    wire_width,
)

NEAR = np.array([0.9, 0.2, 0.1], np.float32)


def covered(start, stop, width=32):
    """Returns each pixel's coverage by [start, stop]; pixel j spans [j, j + 1]."""
    x = np.arange(width)
    overlap = np.minimum(x + 1, stop) - np.maximum(x, start)
    return np.clip(overlap, 0, 1).astype(np.float32)


@pytest.mark.parametrize("width", [0.4, 1, 2.5, 8])
def test_a_wire_at_any_fraction_of_a_pixel_has_its_width(width):
    starts = 10 + np.linspace(0, 1, 7)
    rows = np.stack([covered(at, at + width) for at in starts])
    rng = np.random.default_rng(0)
    far = rng.uniform(0.3, 0.6, (7, 32, 1)).astype(np.float32) * np.ones(3, np.float32)
    picture = rows[..., None] * NEAR + (1 - rows[..., None]) * far
    actual = opacity(picture, NEAR, far)
    np.testing.assert_allclose(actual, rows, atol=1e-5)
    np.testing.assert_allclose(wire_width(actual), width, atol=1e-4)
    twice = np.maximum(rows, np.roll(rows, 12, 1))
    np.testing.assert_allclose(wire_width(twice), 2 * width, atol=1e-4)


def test_opacity_is_clipped_and_takes_plain_colours():
    far = np.array([0.3, 0.3, 0.3], np.float32)
    row = np.stack([far, NEAR, 2 * NEAR - far, 2 * far - NEAR, (far + NEAR) / 2])
    actual = opacity(row, NEAR, far)
    np.testing.assert_allclose(actual, [0, 1, 1, 0, 0.5], atol=1e-6)


def test_edge_width_of_ramps_of_hard_edges_and_of_ghosts():
    x = np.arange(64)
    for length in (8, 20):
        ramp = np.clip((x - 20.5) / length, 0, 1).astype(np.float32)
        assert edge_width(ramp) == pytest.approx(length, rel=0.02)
    hard = np.stack([covered(0, at) for at in np.arange(10, 11, 0.05)])
    widths = edge_width(hard)
    assert widths[0] == 0 and widths.max() == pytest.approx(1.5, abs=1e-3)
    assert widths.mean() == pytest.approx(1, abs=0.01)
    ghost = hard.copy()
    ghost[:, 14:18] = 0.5
    np.testing.assert_allclose(edge_width(ghost) - widths, 6, atol=1e-4)


def test_roughness_counts_stairs_and_not_a_shift():
    places = 10 + 0.1 * np.arange(40) % 8
    true = np.stack([covered(0, at) for at in places])
    shifted = np.stack([covered(0, at + 0.3) for at in places])
    stairs = np.stack([covered(0, np.floor(at)) for at in places])
    assert edge_roughness(shifted, true) < 1e-5
    # The error of rounding is uniform over one pixel.
    assert edge_roughness(stairs, true) == pytest.approx(12**-0.5, rel=0.05)

"""Packed masks against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint.packed_mask import pack


@pytest.mark.parametrize("length", [1, 31, 32, 33, 1000])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
def test_positions_ranks_and_bits_of_random_masks(length, share):
    mask = np.random.default_rng(length).random(length) < share
    packed = pack(jnp.asarray(mask))
    everywhere = jnp.arange(length)
    assert packed.count == mask.sum()
    np.testing.assert_array_equal(packed.is_set(everywhere), mask)
    np.testing.assert_array_equal(packed.rank(everywhere), np.cumsum(mask) - mask)
    found = np.flatnonzero(mask)
    last = found[-1] if len(found) else 0
    for capacity in (1, length + 5):
        positions = packed.positions(capacity)
        expected = np.full(capacity, last)
        expected[: len(found)] = found[:capacity]
        np.testing.assert_array_equal(positions, expected)

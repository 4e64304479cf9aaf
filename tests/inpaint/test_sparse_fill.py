"""The fill on a list of hole pixels equals the dense fill, its specification."""

import functools

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint import background
from stereojax.inpaint.amounts import FillAmounts
from stereojax.inpaint.background import fill_background, fill_by_area, fill_dense


def scene(height: int, width: int, share: float, seed: int = 0):
    """A soft random picture and a hole of blocks, at all borders too."""
    rng = np.random.default_rng(seed)
    picture = cv2.GaussianBlur(rng.random((height, width, 3)), (0, 0), 1.5)
    hole = np.zeros((height, width), bool)
    while hole.mean() < share:
        y, x = rng.integers(-height // 8, height), rng.integers(-width // 8, width)
        down, across = 1 + rng.integers(height // 2), 1 + rng.integers(width // 6)
        hole[max(y, 0) : max(y + down, 0), max(x, 0) : max(x + across, 0)] = True
    # Each row keeps a known pixel.
    hole[:, width // 3] = False
    picture[hole] = 9
    return jnp.asarray(picture, jnp.float32), jnp.asarray(hole)


def both(picture, hole):
    amounts = FillAmounts.for_width(hole.shape[1], edge=0.3, steps=12, row_share=0.4)
    dense, by_area = (
        jax.jit(functools.partial(fill, amounts=amounts))
        for fill in (fill_dense, fill_by_area)
    )
    return np.asarray(dense(picture, hole)), np.asarray(by_area(picture, hole))


@pytest.mark.parametrize("size", [(40, 65), (33, 200)])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.2, 0.5])
def test_the_list_equals_the_dense_fill(monkeypatch, size, share):
    # A list that any hole fits: the dense fill cannot stand in for it.
    monkeypatch.setattr(background, "LIST_SHARES", (1.0,))
    monkeypatch.setattr(background, "RUN_LENGTH", 1)
    monkeypatch.setattr(background, "fill_dense", lambda x, hole, amounts: 0 * x)
    picture, hole = scene(*size, share)
    dense, listed = both(picture, hole)
    np.testing.assert_allclose(listed, dense, atol=1e-5)
    np.testing.assert_array_equal(listed[~hole], picture[~hole])


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_every_length_of_the_list_gives_the_same(share):
    """The last is longer than all lists: the dense fill does it."""
    dense, chosen = both(*scene(60, 96, share, seed=1))
    np.testing.assert_allclose(chosen, dense, atol=1e-5)


def test_more_runs_than_the_list_holds():
    """Single hole pixels: one run each."""
    picture, hole = scene(60, 96, 0.0)
    hole = jnp.zeros_like(hole).at[::2, ::3].set(True)
    dense, chosen = both(picture, hole)
    np.testing.assert_allclose(chosen, dense, atol=1e-5)


def test_a_row_without_known_pixels():
    picture, hole = scene(60, 96, 0.03)
    dense, chosen = both(picture, hole.at[10:12].set(True))
    np.testing.assert_allclose(chosen, dense, atol=1e-5)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="a list is for CPUs")
@pytest.mark.parametrize("size, listed", [((40, 50), False), ((400, 500), True)])
def test_large_pictures_are_filled_by_area(monkeypatch, size, listed):
    monkeypatch.setattr(background, "fill_by_area", lambda x, hole, amounts: 0 * x - 1)
    monkeypatch.setattr(background, "fill_dense", lambda x, hole, amounts: 0 * x + 1)
    occlusion = jnp.ones((1, *size))
    # Options that no other test uses: compiled functions are kept.
    result = fill_background(jnp.zeros((1, *size, 3)), occlusion, steps=1)
    assert (result == (-1 if listed else 1)).all()

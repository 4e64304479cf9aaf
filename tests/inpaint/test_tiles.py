"""Plans of tiles, and the merging of tiles into a canvas."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stereojax.inpaint import published
from stereojax.inpaint.tiles import (
    Synchronize,
    Tiles,
    cut_tiles,
    merge_tiles,
    plan_tiles,
)
from stereojax.settings.diffusion import DiffusionSettings


@given(st.integers(1, 60), st.integers(1, 60), st.integers(5, 20), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_tiles_cover_overlap_and_fit_the_network(rows, columns, longest, overlap):
    canvas, most = (8 * rows, 8 * columns), (8 * longest, 8 * longest)
    tiles = plan_tiles(canvas, most, overlap=overlap, multiple=8)
    for total, size, starts in zip(
        canvas, tiles.size, (tiles.tops, tiles.lefts), strict=True
    ):
        assert size % 8 == 0
        assert size <= 8 * longest
        assert starts[0] == 0
        assert starts[-1] + size == total
        for before, after in itertools.pairwise(starts):
            assert before < after <= before + size - overlap
    total = np.zeros(canvas)
    for (y, x), weight in zip(tiles.corners, tiles.weights(), strict=True):
        total[y : y + tiles.size[0], x : x + tiles.size[1]] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "tiles"),
    [
        ((1088, 1920), (640, 1024, 2, 2)),  # 1080p
        ((576, 1024), (576, 1024, 1, 1)),
        ((768, 1280), (448, 704, 2, 2)),  # 720p
        ((2176, 3840), (640, 896, 4, 5)),
    ],
)
def test_tiles_of_common_film_sizes(pixels, tiles):
    plan = plan_tiles(
        (pixels[0] // 8, pixels[1] // 8), (80, 128), overlap=16, multiple=8
    )
    planned = (*(8 * n for n in plan.size), len(plan.tops), len(plan.lefts))
    assert planned == tiles


def test_tiles_no_longer_than_their_overlap_are_refused():
    with pytest.raises(ValueError, match="must be longer than their overlap"):
        plan_tiles((64, 64), (16, 16), overlap=16, multiple=8)


def published_tiles(canvas: tuple[int, int], count: int) -> Tiles:
    settings = DiffusionSettings(tile_num=count)
    return published.plan_tiles(canvas, settings, 8, 8)


def test_published_tiles():
    tiles = published_tiles((128, 240), 2)  # 1024x1920: SVD's own size
    assert tiles == Tiles((128, 240), (72, 128), (0, 56), (0, 112))
    with pytest.raises(ValueError, match="expected a multiple of 8"):
        published_tiles((128, 240), 3)


PLAN = plan_tiles((24, 40), (16, 16), overlap=4, multiple=8)


def test_cutting_and_merging_is_the_identity():
    canvas = jnp.asarray(
        np.random.default_rng(0).normal(size=(2, 24, 40, 4)), "float32"
    )
    every = jnp.ones(len(PLAN), bool)
    together = merge_tiles(cut_tiles(canvas, PLAN), PLAN, every, jnp.zeros_like(canvas))
    np.testing.assert_allclose(together, canvas, atol=1e-6)


def test_inactive_tiles_have_no_effect_even_if_they_hold_nan():
    canvas = jnp.ones((1, 24, 40, 4))
    active = np.arange(len(PLAN)) != 1
    pieces = cut_tiles(canvas, PLAN).at[1].set(jnp.nan)
    together = merge_tiles(pieces, PLAN, jnp.asarray(active), 7 * canvas)
    uncovered = np.ones((24, 40), bool)
    for i, (y, x) in enumerate(PLAN.corners):
        if active[i]:
            uncovered[y : y + PLAN.size[0], x : x + PLAN.size[1]] = False
    assert 0 < uncovered.sum() < uncovered.size / 2
    np.testing.assert_allclose(
        together[0, ..., 0], np.where(uncovered, 7, 1), atol=1e-6
    )


def test_synchronized_neighbours_agree_for_any_order_of_the_batch():
    rng = np.random.default_rng(1)
    pieces = jnp.asarray(rng.normal(size=(len(PLAN), 1, *PLAN.size, 4)), jnp.float32)
    every = jnp.ones(len(PLAN), bool)
    order = jnp.asarray(rng.permutation(len(PLAN)))
    sigma = jnp.float32(1)
    shared = Synchronize(every, order, PLAN)(pieces[order], sigma)
    canvas = merge_tiles(pieces, PLAN, every, jnp.zeros((1, 24, 40, 4)))
    np.testing.assert_allclose(shared, cut_tiles(canvas, PLAN)[order], atol=1e-6)


def test_published_blending_against_its_loops():
    tiles = published_tiles((48, 64), 2)
    rng = np.random.default_rng(2)
    pieces = rng.normal(size=(4, 1, *tiles.size, 4)).astype(np.float32)
    t = [[pieces[0].copy(), pieces[1].copy()], [pieces[2].copy(), pieces[3].copy()]]
    ramp = np.arange(16) / 16

    def onto(a, b, axis):
        """Fades the first 16 of `b` in over the last 16 of `a`, in place."""
        weight = ramp[:, None, None] if axis == 1 else ramp[:, None]
        first = [slice(None)] * 4
        last = [slice(None)] * 4
        first[axis], last[axis] = slice(16), slice(-16, None)
        b[tuple(first)] = (1 - weight) * a[tuple(last)] + weight * b[tuple(first)]

    onto(t[0][0], t[0][1], 2)
    onto(t[0][0], t[1][0], 1)
    onto(t[0][1], t[1][1], 1)
    onto(t[1][0], t[1][1], 2)
    stride = [n - 16 for n in tiles.size]
    top = np.concatenate([t[0][0][:, :, : stride[1]], t[0][1]], axis=2)[:, : stride[0]]
    below = np.concatenate([t[1][0][:, :, : stride[1]], t[1][1]], axis=2)
    expected = np.concatenate([top, below], axis=1)
    merged = published.merge_tiles(
        jnp.asarray(pieces), tiles, jnp.ones(4, bool), jnp.zeros((1, *tiles.canvas, 4))
    )
    np.testing.assert_allclose(merged, expected, atol=1e-6)

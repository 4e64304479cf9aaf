"""PSNR and SSIM: known values, masks, and SSIM computed from its definition."""

import jax.numpy as jnp
import numpy as np

from stereojax.metrics.psnr import psnr
from stereojax.metrics.ssim import RADIUS, SIGMA, ssim, ssim_map


def pictures(*shape: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.random(shape, dtype=np.float32)
    picture = np.clip(truth + 0.1 * rng.standard_normal(shape), 0, 1)
    return jnp.asarray(picture, jnp.float32), jnp.asarray(truth)


def test_psnr_of_a_known_error():
    truth = jnp.full((2, 4, 5, 3), 0.5)
    assert abs(psnr(truth + 0.1, truth) - 20) < 1e-4
    assert psnr(truth, truth) == jnp.inf


def test_psnr_scores_only_the_mask():
    truth = jnp.full((2, 4, 4, 3), 0.5)
    hole = jnp.zeros((2, 4, 4), bool).at[0, :2].set(True).at[1, 0].set(True)
    wrong = jnp.where(hole[..., None], truth + 0.1, truth - 0.3)
    assert abs(psnr(wrong, truth, hole) - 20) < 1e-4
    # Eight pixels of the first frame and four of the second, all weighted alike.
    worse = wrong.at[1].add(0.1)
    mean = (8 * 0.1**2 + 4 * 0.2**2) / 12
    assert abs(psnr(worse, truth, hole) + 10 * np.log10(mean)) < 1e-3
    assert jnp.isnan(psnr(wrong, truth, jnp.zeros_like(hole)))


def test_ssim_equals_its_definition():
    picture, truth = (np.asarray(x, np.float64) for x in pictures(14, 17, 2))
    actual = ssim_map(jnp.float32(picture), jnp.float32(truth))
    at = np.arange(-RADIUS, RADIUS + 1)
    window = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * SIGMA**2))
    window = (window / window.sum())[..., None]
    rim = [(RADIUS, RADIUS)] * 2 + [(0, 0)]
    a, b = (np.pad(x, rim, mode="symmetric") for x in (picture, truth))
    for y, x in ((0, 0), (7, 8), (13, 3), (5, 16)):
        box = (slice(y, y + 2 * RADIUS + 1), slice(x, x + 2 * RADIUS + 1))
        mean_a, mean_b = ((window * p[box]).sum((0, 1)) for p in (a, b))
        var_a = (window * (a[box] - mean_a) ** 2).sum((0, 1))
        var_b = (window * (b[box] - mean_b) ** 2).sum((0, 1))
        both = (window * (a[box] - mean_a) * (b[box] - mean_b)).sum((0, 1))
        expected = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
        expected /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
        assert abs(actual[y, x] - expected.mean()) < 1e-4


def test_ssim_of_the_truth_is_one_and_only_the_mask_is_scored():
    picture, truth = pictures(2, 16, 16, 3)
    assert abs(ssim(truth, truth) - 1) < 1e-5
    hole = jnp.zeros((2, 16, 16), bool).at[0, 3].set(True)
    expected = ssim_map(picture, truth)[0, 3].mean()
    assert abs(ssim(picture, truth, hole) - expected) < 1e-6
    assert abs(expected - ssim(picture, truth)) > 1e-3

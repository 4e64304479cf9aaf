"""Resizes against torch and OpenCV, and properties of every resize."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stereojax.ops.bicubic import bicubic
from stereojax.ops.bilinear import bilinear
from stereojax.ops.taps import resize

SIZES = [((5, 7), (13, 9)), ((16, 9), (7, 4)), ((6, 6), (6, 6)), ((1, 5), (4, 1))]


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def by_torch(x, **how):
    y = F.interpolate(torch.from_numpy(x).permute(0, 3, 1, 2), **how)
    return y.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("size", "out"), [*SIZES, ((37, 66), (518, 924))])
def test_bilinear_matches_torch(size, out, align_corners):
    x = noise(2, *size, 3)
    taps = [
        bilinear(n, m, align_corners=align_corners)
        for n, m in zip(size, out, strict=True)
    ]
    expected = by_torch(x, size=out, mode="bilinear", align_corners=align_corners)
    np.testing.assert_allclose(resize(jnp.asarray(x), *taps), expected, atol=2e-6)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("size", "out"), SIZES)
def test_bicubic_matches_torch(size, out, align_corners):
    x = noise(2, *size, 3)
    taps = [
        bicubic(n, m, align_corners=align_corners)
        for n, m in zip(size, out, strict=True)
    ]
    expected = by_torch(x, size=out, mode="bicubic", align_corners=align_corners)
    np.testing.assert_allclose(resize(jnp.asarray(x), *taps), expected, atol=4e-6)


@pytest.mark.parametrize("out", [(7, 5), (5, 12), (3, 5)])
def test_bicubic_takes_positions_from_the_given_scale(out):
    x = noise(1, 5, 5, 4)
    scale = [(m + 0.1) / 5 for m in out]
    taps = [bicubic(5, m, scale=s) for m, s in zip(out, scale, strict=True)]
    expected = by_torch(x, scale_factor=scale, mode="bicubic", align_corners=False)
    actual = resize(jnp.asarray(x), *taps)
    np.testing.assert_allclose(actual, expected, atol=2e-6)
    plain = resize(jnp.asarray(x), *(bicubic(5, m) for m in out))
    assert np.abs(plain - expected).max() > 0.01


@pytest.mark.parametrize(("size", "out"), [*SIZES, ((270, 480), (518, 924))])
def test_bicubic_matches_opencv(size, out):
    x = noise(*size, 3)
    expected = cv2.resize(x, out[::-1], interpolation=cv2.INTER_CUBIC)
    taps = [bicubic(n, m) for n, m in zip(size, out, strict=True)]
    actual = resize(jnp.asarray(x), *taps)
    np.testing.assert_allclose(actual, expected.reshape(*out, 3), atol=5e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda n, m: bilinear(n, m, align_corners=True),
        lambda n, m: bilinear(n, m, align_corners=False),
        bicubic,
        lambda n, m: bicubic(n, m, scale=(m + 0.1) / n),
    ],
)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 6), (9, 1), (11, 30), (30, 11)])
def test_the_matrix_gives_the_resize_and_preserves_constants(make, n, m):
    taps = make(n, m)
    np.testing.assert_allclose(taps.matrix().sum(axis=1), 1, atol=1e-6)
    x = noise(n, 4, 2)
    identity = bilinear(4, 4, align_corners=True)
    actual = jax.jit(lambda x: resize(x, taps, identity))(jnp.asarray(x))
    expected = np.einsum("mn,nwc->mwc", taps.matrix(), x)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_half_precision_sums_in_float32():
    x = jnp.full((1, 8, 8, 1), 1 / 3, jnp.bfloat16)
    taps = bilinear(8, 21, align_corners=True)
    y = resize(x, taps, taps)
    assert y.dtype == jnp.bfloat16
    assert (y == x[0, 0, 0, 0]).all()


def test_a_picture_of_another_size_is_an_error():
    taps = bilinear(8, 4, align_corners=True)
    with pytest.raises(ValueError, match="axis -2 has 9 samples, expected 8"):
        resize(jnp.zeros((8, 9, 1)), taps, taps)

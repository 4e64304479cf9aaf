"""Preprocessing against the published code's, in OpenCV and numpy."""

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.depth.preprocess import network_size, preprocess


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1080, 1920), (518, 924)),
        ((1920, 1080), (924, 518)),
        ((540, 960), (518, 924)),
        ((518, 518), (518, 518)),
        ((2160, 4096), (518, 980)),
        ((1080, 1440), (518, 686)),
        ((100, 100), (518, 518)),
        ((37, 1000), (518, 14000)),
        ((479, 641), (518, 700)),
    ],
)
def test_network_size_is_the_published_rule(size, expected):
    assert network_size(*size) == expected
    scale = max(518 / n for n in size)
    sides = [np.round(scale * n / 14) * 14 for n in size]  # as in the published code
    sides = [
        s if s >= 518 else np.ceil(scale * n / 14) * 14
        for s, n in zip(sides, size, strict=True)
    ]
    assert tuple(sides) == expected


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
@pytest.mark.parametrize(("size", "out"), [((40, 60), (28, 42)), ((30, 20), (84, 56))])
def test_preprocess_matches_the_published_code(dtype, top, size, out):
    frame = np.random.default_rng(0).integers(0, top + 1, (*size, 3)).astype(dtype)
    actual = preprocess(jnp.asarray(frame)[None], out)[0]
    x = cv2.resize(frame / top, out[::-1], interpolation=cv2.INTER_CUBIC)
    x = (x - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(actual, x, atol=3e-5)
    assert actual.dtype == jnp.float32


def test_float_frames_are_an_error():
    with pytest.raises(ValueError, match="frames of float32: expected uint8 or uint16"):
        preprocess(jnp.zeros((1, 4, 4, 3)), (14, 14))

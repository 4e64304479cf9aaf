"""Errors name the wrong argument and the expected value."""

import numpy as np
import pytest

from stereojax.splat import api, forward_splat

GOOD = {
    "image_shape": (4, 5, 3),
    "disparity_shape": (4, 5),
    "compositing": "published",
    "sharpness": 0.5,
    "mask": "soft",
    "border": "full",
    "implementation": None,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"disparity_shape": (5, 4)}, r"disparity \(5, 4\) and image \(4, 5, 3\)"),
        ({"image_shape": (5, 3), "disparity_shape": (5,)}, "height, width"),
        ({"compositing": "over"}, "compositing='over': expected one of.*'coverage'"),
        ({"sharpness": float("nan")}, "sharpness=nan: expected a finite"),
        ({"sharpness": -0.5}, "sharpness=-0.5"),
        ({"mask": "smooth"}, "mask='smooth': expected one of"),
        ({"border": "none"}, "border='none'"),
        ({"implementation": "cuda"}, "implementation='cuda'.*xla_scatter"),
    ],
)
def test_wrong_arguments(change, message):
    api._check(**GOOD)
    with pytest.raises(ValueError, match=message):
        api._check(**GOOD | change)


def test_an_integer_image_has_no_known_range():
    with pytest.raises(ValueError, match="dtype uint16; expected uint8 or a float"):
        forward_splat(np.zeros((2, 3, 3), np.uint16), np.zeros((2, 3), np.float32))

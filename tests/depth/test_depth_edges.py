"""Ramps become steps at silhouettes, and nothing else changes."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stereojax.depth.edges import clean_edges
from stereojax.splat import forward_splat

W = 1024  # where a setting of one pixel is one pixel
OFF = {"sharpen": 0.0, "dilate": 0.0}


def cleaned(depth, height=None, width=None, **how):
    height, width = height or depth.shape[-2], width or depth.shape[-1]
    depth = jnp.asarray(depth, jnp.float32)
    return np.asarray(clean_edges(depth, height, width, **how))


def ramp(length, start=500, near=0.9, far=0.2, height=9):
    """(height, W) depth: near on the left, `length` values in between, then far."""
    unit = np.clip((np.arange(W) - start + 1) / (length + 1), 0, 1)
    return np.tile(near + (far - near) * unit, (height, 1)).astype(np.float32)


def between(depth, near=0.9, far=0.2):
    return int(((depth > far + 0.01) & (depth < near - 0.01)).sum())


@pytest.mark.parametrize("length", range(1, 8))
@pytest.mark.parametrize("turn", [lambda x: x, np.transpose, np.fliplr])
def test_a_ramp_becomes_one_step_in_its_middle(length, turn):
    x = turn(ramp(length))
    got = cleaned(x, dilate=0.0, sharpen=4.0 * W / x.shape[1])
    assert between(x) == length * 9 and between(got) == 0
    across = turn(got)  # each turn undoes itself
    edge = (across > 0.55).sum(1)
    assert (np.abs(edge - (500 + length / 2)) <= 0.5).all()
    np.testing.assert_allclose(across, ramp(0, start=edge[0]), atol=1e-6)


@pytest.mark.parametrize("slope", [0.0005, 0.004, 0.006, 0.01, 0.03])
@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_a_slanted_surface_stays_slanted(slope, noise):
    rng = np.random.default_rng(0)
    x = np.arange(W) * slope + 0 * np.arange(20)[:, None]
    x = (x + noise * rng.standard_normal(x.shape)).astype(np.float32)
    got = cleaned(x, sharpen=4.0, dilate=0.0)[:, 8:-8]
    assert np.abs(got - x[:, 8:-8]).max() <= max(4 * noise, 1e-5)


def test_a_floor_under_a_silhouette_stays_a_floor():
    floor = np.tile(np.linspace(0.1, 0.8, 600)[:, None], (1, W))
    box = np.zeros_like(floor)
    box[150:400, 480:540] = 0.95
    x = np.maximum(floor, box).astype(np.float32)
    got = cleaned(x)
    far = np.ones_like(x, bool)
    far[140:410, 470:550] = False
    np.testing.assert_array_equal(got[far], x[far])
    assert between(got[200:360], 0.95, 0.6) == 0


@pytest.mark.parametrize("reach", [1, 2, 5])
def test_the_near_side_grows_to_the_right_only(reach):
    x = np.full((40, W), 0.2, np.float32)
    x[10:30, 300:320] = 0.9
    expected = x.copy()
    expected[10:30, 320 : 320 + reach] = 0.9
    np.testing.assert_array_equal(
        cleaned(x, sharpen=0.0, dilate=float(reach)), expected
    )


@pytest.mark.parametrize("thickness", [1, 2, 3])
def test_thin_objects_are_kept(thickness):
    x = np.full((40, W), 0.2, np.float32)
    x[:, 300 : 300 + thickness] = 0.9
    np.testing.assert_array_equal(cleaned(x, dilate=0.0), x)


def test_without_both_steps_depth_is_only_resized():
    x = np.random.default_rng(0).uniform(0, 1, (2, 3, 5, 7)).astype(np.float32)
    np.testing.assert_array_equal(cleaned(x, **OFF), x)
    import torch

    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(x), (16, 18), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(cleaned(x, 16, 18, **OFF), theirs, atol=1e-6)


def test_settings_are_in_pixels_at_1024():
    x = ramp(4, height=4)
    small = cleaned(x, sharpen=3.0, dilate=2.0)
    large = np.repeat(np.repeat(x, 2, 0), 2, 1)
    large = cleaned(large, sharpen=3.0, dilate=2.0)
    np.testing.assert_allclose(large[::2, ::2], small, atol=1e-6)
    # A setting above 0 has an effect in small pictures, too.
    tiny = cleaned(ramp(0)[:, 470:530], sharpen=0.0, dilate=0.1)
    assert ((tiny > 0.5).sum(1) == 500 - 470 + 1).all()


@settings(deadline=None)  # the first example of each shape compiles
@given(
    hnp.arrays(
        np.float32,
        st.sampled_from([(1, 1), (3, 8), (2, 9, 5)]),
        elements=st.floats(0, 1, width=32),
    )
)
def test_depth_stays_within_the_range_of_its_neighbourhood(x):
    # Each setting is 1 pixel in pictures this small.
    got = cleaned(x, sharpen=1.0, dilate=1.0)
    padded = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(2, 2), (2, 2)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (-2, -1))
    assert (got >= windows.min((-2, -1)) - 1e-6).all()
    assert (got <= windows.max((-2, -1)) + 1e-6).all()


def test_the_result_moves_with_the_picture():
    rng = np.random.default_rng(0)
    x = np.repeat(np.repeat(rng.uniform(0, 1, (5, 64)), 16, 1), 4, 0)
    x = (x[:, 1:] + x[:, :-1]) / 2
    one, two = cleaned(x[:, :1000], 20, 1000), cleaned(x[:, 20:1020], 20, 1000)
    np.testing.assert_allclose(one[:, 40:980], two[:, 20:960], atol=1e-6)


def test_a_step_that_slowly_grows_never_jumps():
    heights = np.arange(0.0, 0.2, 0.001)
    got = np.stack([cleaned(ramp(4, near=0.2 + h)) for h in heights])
    # Around the threshold, the ramp changes to a step over about 40 heights.
    assert np.abs(np.diff(got, axis=0)).max() < 0.01
    assert (
        between(got[-1], 0.2 + heights[-1], 0.2)
        == 0
        < between(got[30], 0.2 + heights[30], 0.2)
    )


def test_the_hole_next_to_an_object_is_empty_and_not_stretched():
    image = np.random.default_rng(0).uniform(0.2, 1, (9, W, 3)).astype(np.float32)
    gaps = {}
    for name, how in {"soft": OFF, "clean": {"dilate": 0.0}}.items():
        disparity = 30 * (cleaned(ramp(6), **how) - 0.5)
        empty = np.asarray(forward_splat(image, disparity).occlusion)[4] > 0.9
        gaps[name] = max(
            len(run) for run in "".join(".#"[int(e)] for e in empty).split(".")
        )
    assert gaps["clean"] == 30 * (0.9 - 0.2) and gaps["soft"] <= 4

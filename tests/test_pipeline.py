"""The pipeline on one window: disparity, splat, fill and composition."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint.fill import BackgroundFill, NoFill
from stereojax.pipeline import RenderLook, render_window
from stereojax.settings import InferSettings
from stereojax.stage_types import FrameRange, Splat, WindowDepth, is_hole

T, H, W = 2, 24, 64
FRAMES = FrameRange(3, 10, 12)
LOOK = dataclasses.replace(
    RenderLook.from_settings(InferSettings(divergence=10.0), W), feather=0.0
)


class ConstantFill:
    """Fills with one colour, and records the frames that it is called with."""

    def __init__(self, composed: bool):
        self.composed, self.calls = composed, []

    def __call__(self, splat, frames):
        self.calls.append(frames)
        return jnp.full(splat.warped.shape, 0.25)

    def release(self, stop):
        pass


@pytest.fixture(scope="module")
def left():
    codes = np.random.default_rng(0).integers(1, 256, (T, H, W, 3))
    return jnp.asarray(codes.astype(np.uint8))


@pytest.fixture(scope="module")
def depth():
    """A near box in front of a far background."""
    values = np.zeros((T, H, W), np.float32)
    values[:, 6:18, 20:40] = 1
    return WindowDepth(jnp.asarray(values), jnp.array([0.0, 1.0]))


def test_holes_are_filled_and_known_pixels_are_the_splats(left, depth):
    fill = ConstantFill(composed=False)
    stereo = render_window(left, depth, FRAMES, LOOK, fill)
    hole = np.asarray(is_hole(stereo.occlusion))
    assert 0.01 < hole.mean() < 0.5
    whole = np.asarray(stereo.occlusion) == 1  # near edges are mixed by coverage
    assert (np.asarray(stereo.right)[whole] == 0.25).all()
    known = np.asarray(stereo.warped) == np.asarray(stereo.right)
    assert known.all(axis=-1).mean() > 0.5
    assert fill.calls == [FRAMES]


def test_the_pictures_of_a_composing_fill_are_not_composed_again(left, depth):
    stereo = render_window(left, depth, FRAMES, LOOK, ConstantFill(composed=True))
    assert (np.asarray(stereo.right) == 0.25).all()


def test_without_a_fill_holes_stay_black(left, depth):
    stereo = render_window(left, depth, FRAMES, LOOK, NoFill())
    np.testing.assert_array_equal(stereo.right, stereo.warped)
    assert (np.asarray(stereo.right)[np.asarray(stereo.occlusion) == 1] == 0).all()


def test_near_depth_is_before_the_screen_and_far_depth_behind(left, depth):
    stereo = render_window(left, depth, FRAMES, LOOK, NoFill())
    disparity = np.asarray(stereo.disparity)
    assert disparity[:, 12, 30].min() > 1
    assert disparity[:, 12, 4].max() < -1
    spread = disparity.max() - disparity.min()
    assert spread == pytest.approx(LOOK.divergence / 100 * W, rel=1e-5)


def test_depth_in_pixels_is_the_disparity(left):
    pixels = WindowDepth(jnp.full((T, H, W), 3.0), jnp.array([0.0, 3.0]), "pixels")
    stereo = render_window(left, pixels, FRAMES, LOOK, BackgroundFill())
    np.testing.assert_array_equal(stereo.disparity, 3.0)
    shifted = np.asarray(left)[:, :, 3:] / np.float32(255)
    np.testing.assert_allclose(stereo.right[:, :, :-3], shifted, atol=1e-5)


def test_a_given_splat_is_used(left, depth):
    splat = Splat(jnp.full((T, H, W, 3), 0.5), jnp.zeros((T, H, W)))
    stereo = render_window(left, depth, FRAMES, LOOK, BackgroundFill(), splat=splat)
    np.testing.assert_array_equal(stereo.right, splat.warped)


def test_the_published_strength_is_twice_max_disp_wide():
    look = RenderLook.from_settings(InferSettings(max_disp=20.0), 1000)
    assert look.divergence == 4.0

"""Growth of the hole: to the far side, over background only, and soft where asked."""

import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint.background import fill_background
from stereojax.inpaint.compose import composite
from stereojax.inpaint.grow import REACH, SLOPE, STEP_SHARE, TOLERANCE, grow_hole

# Amounts are pixels at this width.
WIDTH = 1024


def scene(width: int = WIDTH, height: int = 6):
    """(occlusion, disparity): a near object, a hole at columns 40 to 59, background."""
    occlusion = np.zeros((1, height, width), np.float32)
    occlusion[..., 40:60] = 1
    disparity = np.zeros_like(occlusion)
    disparity[..., :40] = 20
    disparity[..., 40:60] = np.nan
    return occlusion, disparity


def grown(occlusion, disparity, grow, feather=0.0) -> np.ndarray:
    share = grow_hole(
        jnp.asarray(occlusion), jnp.asarray(disparity), grow=grow, feather=feather
    )
    return np.asarray(share)


def test_zero_growth_is_the_identity():
    occlusion, disparity = scene()
    np.testing.assert_array_equal(grown(occlusion, disparity, 0), occlusion)


@pytest.mark.parametrize("grow", [1, 3])
def test_growth_goes_to_the_far_side_only(grow):
    occlusion, disparity = scene()
    expected = occlusion.copy()
    expected[..., 60 : 60 + grow] = 1
    np.testing.assert_array_equal(grown(occlusion, disparity, grow), expected)


def test_part_of_a_pixel_is_a_soft_share():
    occlusion, disparity = scene()
    share = grown(occlusion, disparity, 1.25)[0, 0]
    np.testing.assert_allclose(share[59:63], [1, 1, 0.25, 0], atol=1e-6)


def test_the_feather_falls_from_the_grown_hole_to_the_picture():
    occlusion, disparity = scene()
    share = grown(occlusion, disparity, 2, feather=4)[0, 0]
    # The mean of the ramp over each pixel.
    expected = [1, 1, 1, 0.875, 0.625, 0.375, 0.125, 0]
    np.testing.assert_allclose(share[59:67], expected, atol=1e-6)


def test_amounts_scale_with_the_width():
    occlusion, disparity = scene(256)
    expected = grown(occlusion, disparity, 8, feather=0)
    assert (expected[..., 60:62] == 1).all()
    assert (expected[..., 62:] == 0).all()


@pytest.mark.parametrize("start", [60, 61, 64])
def test_a_twig_survives_and_keeps_background_beside_it(start):
    """It is nearer than the background on both of its sides."""
    occlusion, disparity = scene()
    disparity[..., start : start + 3] = 5
    share = grown(occlusion, disparity, 4, feather=2)
    np.testing.assert_array_equal(share, occlusion)
    disparity[..., 60:] = 0
    assert (grown(occlusion, disparity, 4) != occlusion).any()


def test_a_gap_before_a_wide_near_object_survives():
    """The fill would begin with the object's colours."""
    occlusion, disparity = scene()
    disparity[..., 64:] = 5
    np.testing.assert_array_equal(grown(occlusion, disparity, 4), occlusion)


def test_growth_leaves_background_before_the_next_hole():
    occlusion, disparity = scene()
    occlusion[..., 66:70] = 1
    share = grown(occlusion, disparity, 4)
    np.testing.assert_array_equal(share[..., :70], occlusion[..., :70])


def test_a_wide_surface_is_a_background_whatever_its_disparity():
    occlusion, disparity = scene()
    disparity[..., 60 : 60 + 4 + int(REACH) + 1] = 5
    assert (grown(occlusion, disparity, 4)[..., 60:64] == 1).all()


def test_a_slope_is_background():
    occlusion, disparity = scene()
    for slope in (-0.8, 0.8):
        disparity[..., 60:] = slope * SLOPE * np.arange(WIDTH - 60)
        assert (grown(occlusion, disparity, 4)[..., 60:64] == 1).all()


def test_the_rest_of_a_soft_step_is_background():
    """It is small beside the step, which is as wide as the hole."""
    occlusion, disparity = scene()
    rest = 0.9 * (STEP_SHARE * 20 + TOLERANCE)
    disparity[..., 60:64] = rest
    assert (grown(occlusion, disparity, 2)[..., 60:62] == 1).all()
    # Beside a narrow hole the same difference is a twig.
    occlusion[..., :58] = 0
    disparity[..., :58] = 2
    assert (grown(occlusion, disparity, 2)[..., 60:62] == 0).all()


def test_a_near_edge_keeps_its_coverage():
    occlusion, disparity = scene()
    occlusion[..., 39] = 0.3  # the near object's last pixel, before the hole
    occlusion[:, 3:, 39] = 0
    occlusion[:, 3:, 40] = 0.7  # likewise, as the hole's first
    occlusion[..., 59] = 0.8  # background that is partly covered is filled whole
    share = grown(occlusion, disparity, 1)
    np.testing.assert_allclose(share[0, 0, 38:42], [0, 0.3, 1, 1])
    np.testing.assert_allclose(share[0, 4, 38:42], [0, 0, 0.7, 1])
    np.testing.assert_array_equal(share[..., 59:61], 1)
    # Other soft pixels are known.
    occlusion[..., 500] = 0.3
    np.testing.assert_array_equal(grown(occlusion, disparity, 1), share)


def test_a_single_pixel_between_holes_has_no_soft_edge():
    occlusion, disparity = scene()
    occlusion[..., 49:52] = 0.6, 0.2, 0.7
    expected = occlusion.copy()
    expected[..., 49:52] = 1, 0, 1
    np.testing.assert_allclose(grown(occlusion, disparity, 0), expected)


def test_frames_of_odd_sizes_do_not_know_each_other():
    rng = np.random.default_rng(0)
    occlusion = (rng.random((3, 7, 13)) < 0.3).astype(np.float32)
    disparity = rng.random((3, 7, 13)).astype(np.float32)
    together = grown(occlusion, disparity, 150, 80)
    for i in range(3):
        alone = grown(occlusion[i : i + 1], disparity[i : i + 1], 150, 80)
        np.testing.assert_array_equal(together[i], alone[0])
    assert ((together >= occlusion) & (together <= 1)).all()


def test_no_second_outline():
    """A mixed column at the hole's far side is not smeared across the hole."""
    occlusion, disparity = scene()
    near, far = np.float32([0.8, 0.1, 0.1]), np.float32([0.1, 0.7, 0.2])
    warped = np.where(np.arange(WIDTH)[:, None] < 40, near, far)
    warped = np.broadcast_to(warped, (1, 6, WIDTH, 3)).copy()
    warped[:, :, 60] = (near + far) / 2
    warped[:, :, 40:60] = 0
    warped = jnp.asarray(warped, jnp.float32)

    def right_view(grow):
        share = jnp.asarray(grown(occlusion, disparity, grow))
        filled = fill_background(warped, (share > 0).astype(jnp.float32))
        return np.asarray(composite(warped, filled, share))

    np.testing.assert_allclose(
        right_view(1)[0, :, 41:], np.broadcast_to(far, (6, WIDTH - 41, 3)), atol=0.03
    )
    assert np.abs(right_view(0)[0, :, 50:61] - far).max() > 0.1

"""What every implementation of the splat must do; a new one joins by its name."""

import functools

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle

from stereojax.splat import forward_splat, sharpness_for
from stereojax.splat.workloads import scene

WIDTHS = st.sampled_from([1, 2, 33])  # few, as each one compiles
FEW = settings(max_examples=20, deadline=None)


def disparities(width, rows=2, bound=50):
    number = st.floats(-bound, bound, width=32, allow_subnormal=False)
    number = number.map(lambda d: d if abs(d) > 1e-30 else 0.0)  # as `landing` does
    return hnp.arrays(np.float32, (rows, width), elements=number)


def colors(shape, seed=0):
    return np.random.default_rng(seed).random((*shape, 3), dtype=np.float32)


@pytest.fixture(scope="module", params=["xla_scatter", "xla_gather"])
def splat(request):
    return functools.partial(forward_splat, implementation=request.param)


class TestContract:
    @pytest.mark.parametrize(
        ("low", "high", "width"),
        [(0, 20, 301), (-20, 5, 301), (0, 200, 301), (-1000, 1000, 1301)],
    )
    @pytest.mark.parametrize("options", [{}, {"mask": "hard", "border": "published"}])
    def test_equals_the_oracle(self, splat, low, high, width, options):
        image, disparity = scene((9, width), low, high)
        disparity[2, 5:9] = np.nan, np.inf, -np.inf, 1e30
        disparity[3, 5:9] = 10_000, -10_000, -1e30, 3e38
        ours, true = (
            splat(image, disparity, **options),
            oracle(image, disparity, **options),
        )
        assert 0.02 < true[1].mean() < 0.9
        np.testing.assert_allclose(ours.warped, true[0], atol=1e-5, rtol=2e-6)
        atol = 0 if "mask" in options else 1e-6
        np.testing.assert_allclose(ours.occlusion, true[1], atol=atol, rtol=0)
        assert ours.warped.dtype == ours.occlusion.dtype == jnp.float32

    @pytest.mark.parametrize("sharpness", [0.0, 5.0])
    def test_sharpness(self, splat, sharpness):
        image, disparity = scene((5, 90), -10, 30)
        ours = splat(image, disparity, sharpness=sharpness)
        warped, _ = oracle(image, disparity, sharpness=sharpness)
        np.testing.assert_allclose(ours.warped, warped, atol=1e-5)

    @FEW
    @given(st.data())
    def test_any_disparity_equals_the_oracle(self, splat, data):
        disparity = data.draw(disparities(data.draw(WIDTHS)))
        image = colors(disparity.shape)
        ours, true = splat(image, disparity), oracle(image, disparity)
        np.testing.assert_allclose(ours.warped, true[0], atol=1e-5)
        np.testing.assert_allclose(ours.occlusion, true[1], atol=1e-6)

    @pytest.mark.parametrize("shape", [(1, 1), (2, 3, 5, 31)])
    def test_no_disparity_is_the_identity(self, splat, shape):
        image = colors(shape)
        for zero in (0.0, -0.0):
            done = splat(image, np.full(shape, zero, np.float32))
            np.testing.assert_array_equal(done.warped, image)
            np.testing.assert_array_equal(done.occlusion, 0)

    def test_whole_pixels_shift_left(self, splat):
        image = colors((4, 40))
        done = splat(image, np.full((4, 40), 3, np.float32))
        np.testing.assert_allclose(done.warped[:, :-3], image[:, 3:], rtol=3e-7)
        np.testing.assert_array_equal(done.warped[:, -3:], 0)
        np.testing.assert_array_equal(done.occlusion[0], [0] * 37 + [1] * 3)

    @FEW
    @given(gap=st.integers(40, 60), far=st.integers(-5, 5))
    def test_a_near_pixel_hides_a_far_one(self, splat, gap, far):
        image = colors((1, 90))
        disparity = np.full((1, 90), far, np.float32)
        disparity[0, 70] = far + gap
        done = splat(image, disparity)
        np.testing.assert_allclose(
            done.warped[0, 70 - far - gap], image[0, 70], atol=1e-5
        )

    @pytest.mark.parametrize("gap", [1, 2, 8])
    def test_the_depth_test_is_soft(self, splat, gap):
        image = np.zeros((1, 30, 3), np.float32)
        image[0, 20] = 1
        disparity = np.zeros((1, 30), np.float32)
        disparity[0, 20] = gap
        weight = 2 ** (0.5 * gap)
        seen = splat(image, disparity).warped[0, 20 - gap, 0]
        assert seen == pytest.approx(weight / (1 + weight), abs=1e-6)

    @FEW
    @given(disparities(33, bound=0.4375))
    def test_coverage_is_conserved_inside_the_frame(self, splat, disparity):
        # Neighbours closer than a pixel can pile up above 1, which the soft mask
        # clips; every third column alone cannot.
        spread = np.full((2, 99), np.nan, np.float32)
        spread[:, 1::3] = disparity
        occlusion = splat(colors((2, 99)), spread).occlusion
        coverage = 1 - np.asarray(occlusion, np.float64)
        np.testing.assert_allclose(coverage.sum(), 66, atol=2e-5)

    @pytest.mark.parametrize(
        "nowhere", [np.nan, np.inf, -np.inf, 1e4, -1e4, 1e30, -3e38, 64, -64]
    )
    def test_lands_nowhere(self, splat, nowhere):
        image, disparity = scene((9, 63), -4, 4)
        disparity[1, 20:30] = nowhere
        without = disparity.copy()
        without[1, 20:30] = 1e3
        np.testing.assert_array_equal(
            splat(image, disparity).warped, splat(image, without).warped
        )
        alone = splat(image, np.full_like(disparity, nowhere), mask="hard")
        np.testing.assert_array_equal(alone.warped, 0)
        np.testing.assert_array_equal(alone.occlusion, 1)

    def test_uint8_images(self, splat):
        image, disparity = scene((9, 63), -4, 9)
        image = np.round(image * 255).astype(np.uint8)
        ours, (warped, _) = splat(image, disparity), oracle(image, disparity)
        np.testing.assert_allclose(ours.warped, warped, atol=1e-6)

    def test_an_empty_fraction_of_a_pixel_lands(self, splat):
        """A rounded fraction would leave a hole where 1e-9 of a pixel lands."""
        image = colors((1, 9))
        for tiny, target in ((1e-9, 3), (-1e-9, 5)):
            disparity = np.full((1, 9), np.nan, np.float32)
            disparity[0, 4] = tiny
            done = splat(image, disparity, mask="hard")
            np.testing.assert_allclose(done.warped[0, target], image[0, 4], rtol=1e-6)
            assert done.occlusion[0, target] == 0

    def test_published_border_empties_the_last_row_and_the_columns(self, splat):
        image = colors((4, 12))
        done = splat(image, np.zeros((4, 12), np.float32), border="published")
        np.testing.assert_array_equal(done.occlusion[:-1, :-1], 0)
        np.testing.assert_array_equal(done.occlusion[-1], 1)
        np.testing.assert_array_equal(done.occlusion[:, -1], 1)
        done = splat(image, np.full((4, 12), 0.25, np.float32), border="published")
        np.testing.assert_allclose(done.occlusion[0, [0, 1, -1]], [0.75, 0, 0.25])

    def test_batches_are_frames_on_their_own(self, splat):
        image, disparity = scene((2, 3, 5, 31), -4, 9)
        batch = splat(image, disparity)
        one = splat(image[1, 2], disparity[1, 2])
        np.testing.assert_allclose(batch.warped[1, 2], one.warped, atol=1e-6)
        np.testing.assert_allclose(batch.occlusion[1, 2], one.occlusion, atol=1e-6)

    def test_jit_and_vmap(self, splat):
        image, disparity = scene((2, 3, 5, 31), -4, 9)
        plain = splat(image, disparity)
        for form in (jax.jit(splat), jax.vmap(splat)):
            done = form(jnp.asarray(image), jnp.asarray(disparity))
            np.testing.assert_allclose(done.warped, plain.warped, atol=1e-6)
            np.testing.assert_allclose(done.occlusion, plain.occlusion, atol=1e-6)

    def test_channels(self, splat):
        image, disparity = scene((9, 63), -4, 9, channels=1)
        done = splat(image, disparity)
        np.testing.assert_allclose(done.warped, oracle(image, disparity)[0], atol=1e-5)

    def test_gradients_are_finite_and_right(self, splat):
        image, disparity = scene((2, 40), -6, 15)
        disparity[0, :4] = np.nan, np.inf, 1e30, -1e4
        weights = np.random.default_rng(1).normal(size=image.shape)

        def loss(image, disparity):
            done = splat(image, disparity)
            return (done.warped * weights).sum() + done.occlusion.sum()

        def true_loss(image, disparity):
            return (oracle(image, disparity)[0] * weights).sum()

        grads = jax.grad(loss, argnums=(0, 1))(image, disparity)
        assert all(np.isfinite(g).all() for g in grads)
        assert (np.asarray(grads[1][0, :4]) == 0).all()
        # Central differences, away from the kinks at whole disparities.
        image, disparity = image.astype(np.float64), disparity.astype(np.float64)
        smooth = np.abs(disparity) < 1e3
        near = np.where(smooth, disparity, 0)
        smooth &= np.abs(near - np.round(near)) > 1e-3
        checked = 0
        for y, x in zip(*np.nonzero(smooth), strict=True):
            step = np.zeros_like(disparity)
            step[y, x] = 1e-5
            slope = true_loss(image, disparity + step) - true_loss(
                image, disparity - step
            )
            np.testing.assert_allclose(grads[1][y, x], slope / 2e-5, atol=2e-4)
            step = np.zeros_like(image)
            step[y, x] = 1e-5
            slope = true_loss(image + step, disparity) - true_loss(
                image - step, disparity
            )
            np.testing.assert_allclose(grads[0][y, x].sum(), slope / 2e-5, atol=2e-4)
            checked += abs(slope) > 1e-9
        assert checked > 10


def test_the_depth_test_is_as_soft_at_every_resolution():
    assert sharpness_for(1024) == 0.5
    # The same two surfaces, a gap of 1 % of the width apart, at two sizes.
    shares = []
    for width in (200, 800):
        image = np.zeros((1, width, 3), np.float32)
        image[0, width // 2] = 1
        disparity = np.zeros((1, width), np.float32)
        disparity[0, width // 2] = width // 100
        done = forward_splat(image, disparity, sharpness=sharpness_for(width))
        shares.append(float(done.warped[0, width // 2 - width // 100, 0]))
    assert shares[0] == pytest.approx(shares[1], abs=1e-6)

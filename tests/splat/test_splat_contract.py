"""The contract of every implementation, for both compositings."""

import functools

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle

from stereojax.splat import forward_splat, pallas_tpu
from stereojax.splat.implementations import IMPLEMENTATIONS, Implementation
from stereojax.splat.workloads import scene

H, W = 5, 61  # most tests share this size: each size compiles anew
FEW = settings(max_examples=20, deadline=None)
NOTHING = np.full((H, W), np.nan, np.float32)


@pytest.fixture(
    scope="module",
    params=[
        "xla_scatter",
        "xla_gather",
        "pallas_tpu interpreted",
        pytest.param("pallas_gpu", marks=pytest.mark.gpu),
    ],
)
def implementation(request):
    name = request.param
    if name == "pallas_gpu" and jax.default_backend() != "gpu":
        pytest.skip(f"pallas_gpu runs on a GPU; here is a {jax.default_backend()}")
    if name == "pallas_tpu interpreted":
        IMPLEMENTATIONS[name] = Implementation(
            functools.partial(pallas_tpu.gather_rows, interpret=True),
            functools.partial(pallas_tpu.composite_rows, interpret=True),
        )
    yield name
    if "interpreted" in name:
        del IMPLEMENTATIONS[name]


@pytest.fixture(scope="module", params=["published", "coverage"])
def compositing(request):
    return request.param


@pytest.fixture(scope="module")
def splat(implementation, compositing):
    return functools.partial(
        forward_splat, implementation=implementation, compositing=compositing
    )


@pytest.fixture(scope="module")
def true_splat(compositing):
    return functools.partial(oracle, compositing=compositing)


@pytest.fixture(scope="module")
def weighted_splat(implementation):
    """The splat with published compositing, for tests of its weights."""
    return functools.partial(forward_splat, implementation=implementation)


def numbers(bound):
    number = st.floats(-bound, bound, width=32, allow_subnormal=False)
    return number.map(lambda d: d if abs(d) > 1e-30 else 0.0)  # as `landing` does


def colors(shape=(H, W), seed=0):
    return np.random.default_rng(seed).random((*shape, 3), dtype=np.float32)


class TestContract:
    @pytest.mark.parametrize(
        ("low", "high"), [(0, 20), (-35, 33), (0, 300), (-500, 500), (-1000, 1000)]
    )
    def test_equals_the_oracle(self, splat, true_splat, compositing, low, high):
        image, disparity = scene((9, 1301), low, high)
        disparity[2, 5:9] = np.nan, np.inf, -np.inf, 1e30
        disparity[3, 5:9] = 10_000, -10_000, -1e30, 3e38
        ours, true = splat(image, disparity), true_splat(image, disparity)
        assert 0.01 < true[1].mean() < 0.9
        # A weight of the published formula is exact to float32's relative precision; a
        # visible share is what is left of 1, and exact to the precision of 1.
        atol = 0 if compositing == "published" else 2.0**-23
        np.testing.assert_allclose(ours.warped, true[0], rtol=2e-6, atol=atol)
        np.testing.assert_allclose(ours.occlusion, true[1], rtol=0, atol=1e-6)
        assert ours.warped.dtype == ours.occlusion.dtype == jnp.float32

    @pytest.mark.parametrize(
        "options",
        [
            {"mask": "hard"},
            {"border": "published"},
            {"sharpness": 5.0},
            {"sharpness": 30.0, "mask": "hard"},
        ],
        ids=str,
    )
    def test_options_equal_the_oracle(self, splat, true_splat, options):
        image, disparity = scene((H, W), -10, 30)
        ours, true = (
            splat(image, disparity, **options),
            true_splat(image, disparity, **options),
        )
        np.testing.assert_allclose(ours.warped, true[0], atol=1e-5)
        atol = 0 if "mask" in options else 1e-6
        np.testing.assert_allclose(ours.occlusion, true[1], rtol=0, atol=atol)

    @FEW
    @given(hnp.arrays(np.float32, (H, 7), elements=numbers(9)))
    def test_any_disparity_equals_the_oracle(self, splat, true_splat, disparity):
        image = colors(disparity.shape)
        ours, true = splat(image, disparity), true_splat(image, disparity)
        np.testing.assert_allclose(ours.warped, true[0], atol=1e-5)
        np.testing.assert_allclose(ours.occlusion, true[1], atol=1e-6)

    @pytest.mark.parametrize("shape", [(1, 1), (H, W)])
    def test_no_disparity_is_the_identity(self, splat, shape):
        image = colors(shape)
        for zero in (0.0, -0.0):
            done = splat(image, np.full(shape, zero, np.float32))
            np.testing.assert_array_equal(done.warped, image)
            np.testing.assert_array_equal(done.occlusion, 0)

    def test_whole_pixels_shift_left(self, splat):
        image = colors()
        done = splat(image, np.full((H, W), 3, np.float32))
        np.testing.assert_allclose(done.warped[:, :-3], image[:, 3:], rtol=3e-7)
        np.testing.assert_array_equal(done.warped[:, -3:], 0)
        np.testing.assert_array_equal(done.occlusion[0], [0] * (W - 3) + [1] * 3)

    @FEW
    @given(gap=st.integers(40, 50), far=st.integers(-5, 5))
    def test_a_near_pixel_hides_a_far_one(self, splat, gap, far):
        image, disparity = colors(), np.full((H, W), far, np.float32)
        disparity[2, 57] = far + gap
        seen = splat(image, disparity).warped[2, 57 - far - gap]
        np.testing.assert_allclose(seen, image[2, 57], atol=1e-5)

    @pytest.mark.parametrize("gap", [1, 2, 8])
    def test_the_published_depth_test_is_soft(self, weighted_splat, gap):
        image, disparity = np.zeros((H, W, 3), np.float32), np.zeros((H, W), np.float32)
        image[0, 20], disparity[0, 20] = 1, gap
        weight = 2 ** (0.5 * gap)
        seen = weighted_splat(image, disparity).warped[0, 20 - gap, 0]
        assert seen == pytest.approx(weight / (1 + weight), abs=1e-6)

    @FEW
    @given(hnp.arrays(np.float32, (H, 20), elements=numbers(0.4375)))
    def test_coverage_is_conserved_inside_the_frame(self, splat, disparity):
        # Neighbours closer than a pixel can pile up above 1, which the soft mask
        # clips; every third column alone cannot.
        spread = NOTHING.copy()
        spread[:, 1:60:3] = disparity
        coverage = 1 - np.asarray(splat(colors(), spread).occlusion, np.float64)
        np.testing.assert_allclose(coverage.sum(), 20 * H, atol=2e-5)

    @pytest.mark.parametrize(
        "nowhere", [np.nan, np.inf, -np.inf, 1e4, -1e4, 1e30, -3e38, W, -W]
    )
    def test_lands_nowhere(self, splat, nowhere):
        image, disparity = scene((H, W), -4, 4)
        disparity[1, 20:30] = nowhere
        without = disparity.copy()
        without[1, 20:30] = np.nan
        np.testing.assert_array_equal(
            splat(image, disparity).warped, splat(image, without).warped
        )
        alone = splat(image, np.full_like(disparity, nowhere))
        np.testing.assert_array_equal(alone.warped, 0)
        np.testing.assert_array_equal(alone.occlusion, 1)

    def test_uint8_images(self, splat, true_splat):
        image, disparity = scene((H, W), -4, 9)
        image = np.round(image * 255).astype(np.uint8)
        ours, (warped, _) = splat(image, disparity), true_splat(image, disparity)
        np.testing.assert_allclose(ours.warped, warped, atol=1e-6)

    def test_a_sliver_of_a_pixel_lands(self, splat):
        """A rounded fraction would leave a hole where 1e-9 of a pixel lands."""
        image = colors()
        for tiny, target in ((1e-9, 3), (-1e-9, 5)):
            disparity = NOTHING.copy()
            disparity[0, 4] = tiny
            done = splat(image, disparity, mask="hard")
            np.testing.assert_allclose(done.warped[0, target], image[0, 4], rtol=1e-6)
            assert done.occlusion[0, target] == 0

    def test_the_published_border(self, splat):
        image = colors()
        done = splat(image, np.zeros((H, W), np.float32), border="published")
        np.testing.assert_array_equal(done.occlusion[:-1, :-1], 0)
        np.testing.assert_array_equal(done.occlusion[-1], 1)
        np.testing.assert_array_equal(done.occlusion[:, -1], 1)
        done = splat(image, np.full((H, W), 0.25, np.float32), border="published")
        np.testing.assert_allclose(done.occlusion[0, [0, 1, -1]], [0.75, 0, 0.25])

    def test_batches_vmap_and_jit(self, splat):
        image, disparity = scene((2, 3, H, W), -4, 9)
        one = splat(image[1, 2], disparity[1, 2])
        batch = splat(image, disparity)
        mapped = jax.vmap(jax.jit(splat))(jnp.asarray(image), jnp.asarray(disparity))
        for done in (batch, mapped):
            assert done.warped.shape == image.shape
            np.testing.assert_allclose(done.warped[1, 2], one.warped, atol=1e-6)
            np.testing.assert_allclose(done.occlusion[1, 2], one.occlusion, atol=1e-6)

    def test_one_channel(self, splat, true_splat):
        image, disparity = scene((H, W), -4, 9, channels=1)
        done = splat(image, disparity)
        true = true_splat(image, disparity)[0]
        np.testing.assert_allclose(done.warped, true, atol=1e-5)

    def test_the_same_bits_each_time_and_wherever_the_picture_lies(self, splat):
        image, disparity = scene((3, 60), -9, 15)
        seen = []
        for offset in (15, 15, 15, 15, 15, 16, 77, 128, 200, 1200):
            moved = np.full((9, 1301), np.nan, np.float32)
            moved[:3, offset : offset + 60] = disparity
            canvas = np.zeros((9, 1301, 3), np.float32)
            canvas[:3, offset : offset + 60] = image
            done = splat(canvas, moved)
            both = np.asarray(done.warped), np.asarray(done.occlusion)[..., None]
            both = np.concatenate(both, -1)[:3, offset - 15 : offset + 69]
            seen.append(both.tobytes())
        assert len(set(seen)) == 1


@pytest.mark.parametrize("low", [-33, -32, -31, -9, 25])
@pytest.mark.parametrize("high", [31, 32, 33, 70, 97])
def test_ranges_that_end_at_and_beside_a_span_of_shifts(low, high, compositing):
    """`xla_gather` adds shifts in spans, and in groups that may reach over an end."""
    rng = np.random.default_rng(100 * high + low)
    disparity = rng.uniform(low, high, (H, 301)).astype(np.float32)
    disparity[:, ::3] = rng.integers(low, high + 1, disparity[:, ::3].shape)
    image = colors((H, 301))
    options = {"compositing": compositing}
    ours = forward_splat(image, disparity, implementation="xla_gather", **options)
    true = oracle(image, disparity, **options)
    atol = 0 if compositing == "published" else 2.0**-23
    np.testing.assert_allclose(ours.warped, true[0], rtol=2e-6, atol=atol)
    np.testing.assert_allclose(ours.occlusion, true[1], atol=1e-6)

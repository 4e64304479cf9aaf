"""Gradients against finite differences of the oracle and autodiff of the reference."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import oracle

from stereojax.splat import forward_splat, pallas_gpu, pallas_tpu
from stereojax.splat.gradient import composite_with_gradient, with_gradient
from stereojax.splat.implementations import IMPLEMENTATIONS, Implementation
from stereojax.splat.workloads import scene

KERNELS = {
    "xla": IMPLEMENTATIONS["xla"],
    "xla_gather": IMPLEMENTATIONS["xla_gather"],
    "pallas_tpu": Implementation(
        functools.partial(pallas_tpu.gather_rows, interpret=True),
        functools.partial(pallas_tpu.composite_rows, interpret=True),
    ),
}


@pytest.fixture(scope="module", params=["published", "coverage"])
def compositing(request):
    return request.param


@pytest.fixture(scope="module")
def case():
    """(image, disparity, cotangent), with a range that no float32 power holds."""
    image, disparity = scene((3, 61), -30, 60)
    disparity[1, ::7] += 300  # leaves, or lands far behind
    disparity[0, :4] = np.nan, np.inf, 1e30, -1e4
    cotangent = np.random.default_rng(1).normal(size=image.shape).astype(np.float32)
    return image, disparity, cotangent


def gradients(splat, case):
    image, disparity, cotangent = case

    @jax.jit
    def loss(image, disparity):
        done = splat(image, disparity)
        return (done.warped * cotangent).sum() + done.occlusion.sum()

    return jax.grad(loss, argnums=(0, 1))(image, disparity)


@pytest.fixture(scope="module")
def reference(case, compositing):
    splat = functools.partial(
        forward_splat, implementation="xla_scatter", compositing=compositing
    )
    return gradients(splat, case)


def test_the_reference_against_finite_differences(case, reference, compositing):
    image, disparity, cotangent = (x.astype(np.float64) for x in case)
    lands = np.where(np.abs(disparity) < 1e3, disparity, 0)
    smooth = (np.abs(lands - np.round(lands)) > 1e-3) & (lands != 0)  # no kink near
    nonzero = 0
    for y, x in zip(*np.nonzero(smooth), strict=True):
        for grad, which in ((reference[0].sum(-1), 0), (reference[1], 1)):
            values = []
            for step in (1e-5, -1e-5):
                moved = [image.copy(), disparity.copy()]
                moved[which][y, x] += step
                warped, _ = oracle(*moved, compositing=compositing)
                values.append((warped * cotangent).sum())
            slope = (values[0] - values[1]) / 2e-5
            np.testing.assert_allclose(grad[y, x], slope, atol=2e-4, rtol=1e-3)
            nonzero += abs(slope) > 1e-2
    assert nonzero > 100


def test_sources_that_reach_no_target_have_no_gradient(reference):
    assert all(np.isfinite(grad).all() for grad in reference)
    assert (np.asarray(reference[1][0, :4]) == 0).all()


@pytest.mark.parametrize("name", KERNELS)
def test_two_gathers_equal_autodiff_of_the_reference(
    name, case, reference, compositing, monkeypatch
):
    monkeypatch.setitem(IMPLEMENTATIONS, "tested", KERNELS[name])
    splat = functools.partial(
        forward_splat, implementation="tested", compositing=compositing
    )
    ours = gradients(splat, case)
    for grad, true in zip(ours, reference, strict=True):
        scale = np.abs(true).max()
        np.testing.assert_allclose(grad, true, atol=5e-6 * scale)


def test_gradients_under_vmap(case, compositing):
    image, disparity, _ = case
    kernels = IMPLEMENTATIONS["xla_gather"]
    if compositing == "published":
        splat = functools.partial(with_gradient, kernels.published)
        options = 0.5, False
    else:
        splat = functools.partial(composite_with_gradient, kernels.coverage)
        options = (False,)
    d = jnp.where(np.abs(disparity) < 60, disparity, 1e9)[:, None]
    image = jnp.asarray(image)

    def loss(image, d):
        return (splat(image, d, *options)[0] ** 2).sum()

    grad = jax.jit(jax.grad(loss))
    grads = jax.jit(jax.vmap(jax.grad(loss)))(image[:, None], d)
    np.testing.assert_allclose(grads[2], grad(image[2:], d[2]), atol=1e-6)


def test_the_gpu_kernel_returns_the_residuals_of_its_gradient(compositing):
    """Traces the kernel only; the tests on a GPU run it."""
    args = np.zeros((2, 40, 3), np.float32), np.zeros((2, 40), np.float32)
    rows = {
        "published": functools.partial(pallas_gpu.gather_rows, sharpness=0.5),
        "coverage": pallas_gpu.composite_rows,
    }[compositing]
    for residuals in (True, False):
        done = jax.eval_shape(
            functools.partial(rows, hard_mask=False, residuals=residuals), *args
        )
        assert [x and x.shape for x in done] == [(2, 40, 3), (2, 40)] + (
            [(2, 40), (2, 40)] if residuals else [None, None]
        )

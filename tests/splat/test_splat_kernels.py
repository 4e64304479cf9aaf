"""The Pallas kernels on a CPU: interpreted, and lowered for their devices."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import oracle

from stereojax.splat import forward_splat, pallas_gpu, pallas_tpu, xla_composite
from stereojax.splat.row_contract import landing
from stereojax.splat.workloads import SIZES, scene

try:
    from jax.experimental.pallas.mosaic_gpu import InterpretGPUParams
except ImportError:  # jax 0.10
    from jax._src.pallas.mosaic_gpu.interpret.params import InterpretGPUParams

TARGETS = {"pallas_gpu": ("cuda", "mosaic_gpu"), "pallas_tpu": ("tpu", "tpu_custom")}


def interpreted(image, disparity, compositing="published", **options):
    """Runs the GPU kernel in interpret mode; slow, so on a few pixels."""
    d = landing(jnp.asarray(disparity), published_border=False)
    rows = {
        "published": functools.partial(pallas_gpu.gather_rows, sharpness=0.5),
        "coverage": pallas_gpu.composite_rows,
    }[compositing]
    return rows(jnp.asarray(image), d, interpret=InterpretGPUParams(), **options)


@pytest.mark.parametrize(
    ("width", "low", "high", "hard"),
    [(40, -3, 7, True), (300, -30, 250, False)],
)
def test_the_gpu_kernel_interpreted_equals_the_oracle(width, low, high, hard):
    image, disparity = scene((2, width), low, high)
    disparity[0, 3:6] = np.nan, 1e4, -np.inf
    done = interpreted(image, disparity, hard_mask=hard)
    warped, occlusion = oracle(image, disparity, mask="hard" if hard else "soft")
    np.testing.assert_allclose(done.warped, warped, rtol=2e-6, atol=0)
    np.testing.assert_allclose(done.occlusion, occlusion, atol=0 if hard else 1e-6)
    # The weights are relative to the anchor: alone, a source weighs its own share.
    covered = np.asarray(done.total) > 0
    assert (np.abs(np.asarray(done.anchor))[covered] < width).all()
    assert (np.asarray(done.total)[covered] <= width).all()


@pytest.mark.parametrize(
    ("width", "low", "high", "hard"),
    [(40, -3, 7, True), (300, -30, 250, False)],
)
def test_the_gpu_kernel_interpreted_composites_as_the_oracle(width, low, high, hard):
    image, disparity = scene((2, width), low, high)
    disparity[0, 3:6] = np.nan, 1e4, -np.inf
    done = interpreted(image, disparity, "coverage", hard_mask=hard)
    mask = "hard" if hard else "soft"
    warped, occlusion = oracle(image, disparity, compositing="coverage", mask=mask)
    np.testing.assert_allclose(done.warped, warped, rtol=2e-6, atol=2.0**-23)
    np.testing.assert_allclose(done.occlusion, occlusion, atol=0 if hard else 1e-6)
    # The residuals are those of the XLA gather, which the gradient tests check.
    d = landing(jnp.asarray(disparity), published_border=False)
    true = xla_composite.composite_rows(jnp.asarray(image), d, hard_mask=hard)
    np.testing.assert_allclose(done.total, true.total, atol=1e-6)
    np.testing.assert_array_equal(done.anchor, true.anchor)


def lone_sources(width, landings, disparity=-40.0):
    """A row for each landing place, which one source alone reaches."""
    moved = np.full((len(landings), width), np.nan, np.float32)
    for row, x in enumerate(landings):
        column = min(max(math.floor(x + disparity), 0), width - 1)
        moved[row, column] = column - x
    image = np.random.default_rng(0).random((*moved.shape, 3), dtype=np.float32)
    return image, moved


@pytest.mark.parametrize("compositing", ["published", "coverage"])
def test_the_gpu_kernel_finds_a_lone_source_at_the_edge_of_a_tile(compositing):
    # Tiles begin at 0, 128 and 172, as the last one ends with the row.
    image, disparity = lone_sources(300, [-0.5, 127.5, 171.25, 255.75, 299.5])
    done = interpreted(image, disparity, compositing, hard_mask=False)
    warped, occlusion = oracle(image, disparity, compositing=compositing)
    np.testing.assert_allclose(done.warped, warped, rtol=2e-6)
    np.testing.assert_allclose(done.occlusion, occlusion, atol=1e-6)


@pytest.mark.parametrize(
    "rows",
    [
        functools.partial(pallas_tpu.gather_rows, sharpness=0.5),
        pallas_tpu.composite_rows,
    ],
    ids=["published", "coverage"],
)
def test_the_tpu_kernel_wraps_nothing_round_a_full_row(rows):
    image, disparity = lone_sources(2 * pallas_tpu.LANES, [-0.5, 255.5])
    d = landing(jnp.asarray(disparity), published_border=False)
    done = rows(jnp.asarray(image), d, hard_mask=False, interpret=True)
    np.testing.assert_allclose(done.occlusion, oracle(image, disparity)[1], atol=1e-6)


@pytest.mark.parametrize("compositing", ["published", "coverage"])
def test_the_gpu_kernel_gives_the_same_bits_wherever_a_tile_begins(compositing):
    image, disparity = scene((1, 60), -9, 15)
    offsets = (15, 77, 128, 200)
    canvas = np.zeros((len(offsets), 300, 3), np.float32)
    moved = np.full((len(offsets), 300), np.nan, np.float32)
    for row, offset in enumerate(offsets):
        canvas[row, offset : offset + 60] = image
        moved[row, offset : offset + 60] = disparity
    done = interpreted(canvas, moved, compositing, hard_mask=False)
    both = np.concatenate([done.warped, np.asarray(done.occlusion)[..., None]], -1)
    seen = {
        both[row, offset - 15 : offset + 69].tobytes()
        for row, offset in enumerate(offsets)
    }
    assert len(seen) == 1


@pytest.mark.parametrize("compositing", ["published", "coverage"])
@pytest.mark.parametrize("form", ["plain", "grad of vmap"])
@pytest.mark.parametrize("name", TARGETS)
def test_the_kernel_is_in_the_program_once(name, form, compositing):
    platform, target = TARGETS[name]
    splat = functools.partial(
        forward_splat, implementation=name, compositing=compositing
    )
    program = splat
    if form != "plain":
        program = jax.grad(lambda image, d: jax.vmap(splat)(image, d).warped.sum())
    shape = (2, *SIZES["1080p"])
    image = jax.ShapeDtypeStruct((*shape, 3), jnp.uint8 if form == "plain" else "f4")
    disparity = jax.ShapeDtypeStruct(shape, jnp.float32)
    traced = jax.jit(program).trace(image, disparity)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    calls = [line for line in text.splitlines() if "custom_call" in line]
    assert [target in line for line in calls] == [True]
    for absent in ("scatter", "stablehlo.sort"):
        assert absent not in text


@pytest.mark.parametrize("compositing", ["published", "coverage"])
def test_elsewhere_the_gather_stands_in(compositing):
    image, disparity = scene((5, 61), -4, 9)
    splat = functools.partial(forward_splat, compositing=compositing)
    true = splat(image, disparity, implementation="xla_gather")
    done = splat(image, disparity, implementation="pallas_gpu")
    np.testing.assert_array_equal(done.warped, true.warped)

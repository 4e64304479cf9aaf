"""The choice of a splat implementation, its fallbacks, and the log messages."""

import functools
import logging
import sys

import jax
import numpy as np
import pytest

from stereojax.splat import (
    Choice,
    choice,
    choose,
    forward_splat,
    implementations,
    pallas_tpu,
    sharpness_for,
)
from stereojax.splat.reference import composite_rows, scatter_rows
from stereojax.splat.row_contract import Rows

FRAME = (1080, 1920, 3)


@pytest.fixture(autouse=True)
def clear_caches():
    for cached in (choice._log_once, choice._broken, implementations.pallas_module):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("shape", "options", "name", "word"),
    [
        (FRAME, {}, "xla", "cpu"),
        ((20, 30, 3), {}, "xla_scatter", "small"),
        ((25, *FRAME), {"platform": "gpu"}, "pallas_gpu", "gpu"),
        (FRAME, {"platform": "tpu"}, "pallas_tpu", "tpu"),
        ((80, 9000, 3), {"platform": "tpu"}, "xla_gather", "9000 wide"),
        (FRAME, {"sharpness": 13.0, "platform": "gpu"}, "xla_scatter", "13"),
        (FRAME, {"sharpness": 13.0, "compositing": "coverage"}, "xla", "cpu"),
        (FRAME, {"wanted": "xla_gather"}, "xla_gather", "asked"),
        (FRAME, {"wanted": "pallas_gpu"}, "pallas_gpu", "asked"),
    ],
)
def test_choice_and_reason(shape, options, name, word):
    choice = choose(shape, **options)
    assert choice.implementation == name and word in choice.reason


def test_fallback_if_jax_cannot_import_the_kernel(monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, "stereojax.splat.pallas_gpu", raising=False)
    monkeypatch.setitem(sys.modules, "jax.experimental.pallas.mosaic_gpu", None)
    monkeypatch.delattr("jax.experimental.pallas.mosaic_gpu", raising=False)
    choice = choose(FRAME, platform="gpu")
    assert choice.implementation == "xla_scatter" and "import" in choice.reason
    assert "xla_scatter instead of pallas_gpu: this jax cannot import" in caplog.text
    image, disparity = np.ones((4, 9, 3), np.float32), np.zeros((4, 9), np.float32)
    done = forward_splat(image, disparity, implementation="pallas_gpu")
    np.testing.assert_array_equal(done.warped, 1)


def on_a_gpu(monkeypatch, kernel, capability="9.0", composite=composite_rows):
    """Replaces the default device by a fake GPU, and its splat kernels by functions."""

    class Device:
        device_kind, compute_capability = "a card", capability

    kernels = {
        "gather_rows": staticmethod(kernel),
        "composite_rows": staticmethod(composite),
    }
    module = type("module", (), kernels)
    monkeypatch.setattr(choice, "default_platform", lambda: "gpu")
    monkeypatch.setattr(choice, "pallas_module", lambda name: module)
    monkeypatch.setattr(jax, "local_devices", lambda: [Device()])


def test_fallback_on_an_older_gpu(monkeypatch, caplog):
    on_a_gpu(monkeypatch, scatter_rows, capability="8.6")
    assert choose(FRAME) == Choice(
        "xla_scatter", "a card has compute capability 8.6, not 9.0"
    )
    assert caplog.records[0].levelno == logging.WARNING


def broken(image, d, *args, **options):
    raise RuntimeError("no ptxas\nfound")


def wrong(image, d, *args, **options):
    done = scatter_rows(image, d, *args, **options)
    return done._replace(warped=done.warped.at[0, 3].add(1e-3))


def not_a_number(image, d, *args, **options) -> Rows:
    done = scatter_rows(image, d, *args, **options)
    return done._replace(occlusion=done.occlusion * np.nan)


@pytest.mark.parametrize(
    ("kernel", "word"),
    [(broken, "RuntimeError: no ptxas found"), (wrong, "0.001"), (not_a_number, "nan")],
)
def test_fallback_if_a_kernel_fails_its_check(monkeypatch, caplog, kernel, word):
    on_a_gpu(monkeypatch, kernel)
    choice = choose(FRAME)
    assert choice.implementation == "xla_scatter" and word in choice.reason
    assert word in caplog.text


def test_fallback_if_a_kernel_composites_wrongly(monkeypatch, caplog):
    def wrong(image, d, **options):
        done = composite_rows(image, d, **options)
        return done._replace(occlusion=done.occlusion + 1e-3)

    on_a_gpu(monkeypatch, scatter_rows, composite=wrong)
    # `xla_scatter` composites slowly on a GPU, so the fallback is `xla_gather`.
    choice = choose(FRAME, compositing="coverage")
    assert choice.implementation == "xla_gather" and "0.001" in choice.reason
    assert "0.001" in caplog.text


def test_a_kernel_is_checked_while_the_caller_is_traced(monkeypatch):
    kernel = functools.partial(pallas_tpu.gather_rows, interpret=True)
    on_a_gpu(monkeypatch, kernel)
    choices = []

    def traced(x):
        choices.append(choose(FRAME))
        return x

    jax.jit(jax.vmap(jax.grad(traced)))(np.ones(3, np.float32))
    assert choices == [Choice("pallas_gpu", "gpu: deterministic kernel")]


@pytest.mark.parametrize("compositing", ["published", "coverage"])
def test_xla_equals_xla_scatter_for_small_and_large_disparities(compositing):
    rng = np.random.default_rng(0)
    image = rng.random((4, 300, 3), dtype=np.float32)
    for high in (5, 200):
        disparity = rng.uniform(0, high, (4, 300)).astype(np.float32)
        true, done = (
            forward_splat(
                image, disparity, implementation=name, compositing=compositing
            )
            for name in ("xla_scatter", "xla")
        )
        np.testing.assert_allclose(done.warped, true.warped, atol=1e-6)


def test_sharpness_for_gives_equal_weights_at_every_resolution():
    assert sharpness_for(1024) == 0.5
    # At both sizes, two surfaces differ in disparity by 1 % of the width.
    weights = []
    for width in (200, 800):
        image = np.zeros((1, width, 3), np.float32)
        image[0, width // 2] = 1
        disparity = np.zeros((1, width), np.float32)
        disparity[0, width // 2] = width // 100
        done = forward_splat(image, disparity, sharpness=sharpness_for(width))
        weights.append(float(done.warped[0, width // 2 - width // 100, 0]))
    assert weights[0] == pytest.approx(weights[1], abs=1e-6)

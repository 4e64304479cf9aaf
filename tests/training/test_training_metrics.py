"""FLOPs, rows of metrics, the progress line, signals and the pixel loss."""

import dataclasses
import os
import signal
from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_training
from tiny_training import SETTINGS

from stereojax.ops.attention import attention
from stereojax.svd.patches import Patches
from stereojax.training import inpaint_task
from stereojax.training.flops import flops_of, peak_flops, update_flops
from stereojax.training.multihost.preemption import Preemption
from stereojax.training.objective import pixel_loss
from stereojax.training.progress import Progress
from stereojax.training.state import TrainState, split_trainable
from stereojax.training.step_metrics import StepMetrics


def flops(function, *inputs, trains=None) -> float:
    """Counts the function and its gradient with respect to the inputs in `trains`."""
    trains = [True] * len(inputs) if trains is None else trains
    return update_flops(jax.make_jaxpr(function)(*inputs), trains)


W = jnp.ones((8, 16))
X = jnp.ones((4, 8))
ONCE = 2 * 4 * 8 * 16


def test_a_matrix_product_and_its_gradients():
    product = jnp.matmul
    assert flops(product, X, W, trains=[False, False]) == ONCE
    assert flops(product, X, W, trains=[False, True]) == 2 * ONCE
    assert flops(product, X, W) == 3 * ONCE


def test_gradients_pass_through_frozen_layers():
    def layers(first, frozen):
        return jnp.tanh(X @ first) @ frozen

    # Two forward products; backward, the first kernel's and the second input's.
    assert flops(layers, W, W.T, trains=[True, False]) == 4 * ONCE
    # No gradient passes through layers before the first trainable one.
    assert flops(layers, W, W.T, trains=[False, True]) == 3 * ONCE


def test_a_scan_counts_every_iteration():
    def loop(x):
        return jax.lax.scan(lambda c, _: (c @ jnp.ones((8, 8)), None), x, None, 5)[0]

    for function in (loop, jax.jit(loop), jax.checkpoint(loop)):
        assert flops(function, X, trains=[False]) == 5 * 2 * 4 * 8 * 8
        assert flops(function, X) == 2 * 5 * 2 * 4 * 8 * 8


def test_recomputed_operations_count_once():
    inner = jax.checkpoint(lambda w, x: jnp.tanh(x @ w))
    nested = jax.checkpoint(lambda w, x: jnp.sum((inner(w, x) @ w.T) ** 2))
    assert flops(nested, W, X) == 6 * ONCE


def test_fused_attention_is_two_products(monkeypatch):
    # Allows tracing on machines without cuDNN.
    name = "jax._src.cudnn.fused_attention_stablehlo.check_cudnn_version"
    monkeypatch.setattr(name, lambda: 91000)
    q, k = jnp.ones((2, 64, 4, 16), jnp.bfloat16), jnp.ones((2, 8, 4, 16), jnp.bfloat16)
    once = 2 * (2 * 2 * 64 * 8 * 4 * 16)

    def fused(q, k, v):
        return attention(q, k, v, implementation="cudnn")

    assert flops(fused, q, k, k, trains=[False] * 3) == once
    assert flops(fused, q, k, k) == 3 * once
    plain = flops(lambda *x: attention(*x, implementation="chunked"), q, k, k)
    assert plain == 3 * once


def test_a_convolution_and_its_gradients():
    image, kernel = jnp.ones((1, 8, 8, 4)), jnp.ones((3, 3, 4, 6))

    def conv(image, kernel):
        return jax.lax.conv_general_dilated(
            image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    once = 2 * 8 * 8 * 6 * 9 * 4
    assert flops(conv, image, kernel, trains=[False, True]) == 2 * once
    assert flops(conv, image, kernel) == 3 * once


def test_the_peak_depends_on_the_device_kind():
    assert peak_flops("NVIDIA H200") == 989e12
    assert peak_flops("TPU v5 lite") == 197e12
    assert peak_flops("cpu") is None


def update(loss: float, sigma: list[float]) -> dict[str, np.ndarray]:
    error = np.array([loss, 3 * loss])
    return {
        "loss": np.array(2 * loss),
        "losses": error,
        "gradient_norm": np.array(1.5),
        "error": error,
        "sigma": np.array(sigma),
        "hole": np.array([0.25, 0.0]),
        "hole_error": np.array([0.5 * loss, 0.0]),
    }


def test_a_row_has_the_last_loss_and_the_means_since_the_last_row():
    metrics = StepMetrics(None, 2, inpaint_task.summarize)
    metrics.add(update(1.0, [0.1, 40.0]))
    metrics.add(update(2.0, [0.2, 5.0]))
    row = metrics.row()
    assert "loss_pixels" not in row
    assert row["loss"] == 4 and row["loss_mean"] == 3
    assert row["loss_hole"] == 1.5 / 0.5
    assert row["loss_outside"] == (1 + 3 + 2 + 6 - 1.5) / 3.5
    assert row["loss_sigma_0_0.5"] == 1.5
    assert row["loss_sigma_2_8"] == 6 and row["loss_sigma_32_inf"] == 3
    assert row["loss_sigma_0.5_2"] is None and row["mfu"] is None
    assert row["samples_per_second"] == pytest.approx(2 / row["step_seconds"])
    pixels = {"pixel_loss": np.array([0.5, 1.5])}
    metrics.add(update(1.0, [0.1, 40.0]) | pixels)
    row = metrics.row()
    assert row["loss_mean"] == 2 and row["loss_pixels"] == 1


def test_the_progress_line_has_the_time_left(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress(1000, 10, interval=30.0)
    now[0] += 20
    progress.show(20, 0.5)
    now[0] += 1
    progress.show(21, 0.5)  # too soon
    assert capsys.readouterr().err == (
        "step 20/1000, loss 0.5000, 2.00 s/step, 0:32:40 left\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_request_a_stop(number):
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        preemption = Preemption()
        signal.signal(number, signal.SIG_IGN)  # as jax.distributed does
        preemption.install_handlers()
        assert not preemption.stop_requested()
        os.kill(os.getpid(), number)
        assert preemption.stop_requested()
        again = (
            pytest.raises(KeyboardInterrupt)
            if number == signal.SIGINT
            else nullcontext()
        )
        with again:
            os.kill(os.getpid(), number)
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


def test_the_pixel_loss_of_the_true_latents_is_zero():
    settings = dataclasses.replace(
        SETTINGS, pixel_l1=2.0, pixel_crop=16, pixel_frames=1
    )
    model = type("Model", (), {"vae": Patches()})()
    right = jax.random.uniform(jax.random.key(0), (2, 3, 16, 32, 3))
    latents = 2.0 * model.vae.encode(2 * right - 1)
    sigma, keys = jnp.array([0.5, 3.0]), jax.random.split(jax.random.key(1), 2)
    zero = pixel_loss(model, latents, right, sigma, keys, settings)
    np.testing.assert_allclose(zero, 0, atol=1e-6)
    # A latent is twice a pixel in [-1, 1], so four times one in [0, 1].
    error = pixel_loss(model, latents + 0.4, right, sigma, keys, settings)
    np.testing.assert_allclose(error, 2 * 0.1 / (sigma**2 + 1), rtol=1e-4)


def test_flops_of_an_update_of_the_inpainting_loss():
    initial = tiny_training.initial_model()
    trainable, frozen = split_trainable(initial.arrays, inpaint_task.TRAINABLE)
    samples = {name: jnp.asarray(x) for name, x in tiny_training.batch().items()}
    half = {name: x[:4] for name, x in samples.items()}

    def count(trainable, frozen, batch=samples) -> float:
        state = TrainState(0, None, trainable, None, frozen)
        return flops_of(initial.structure, inpaint_task.loss(SETTINGS), state, batch)

    full = count(trainable, frozen)
    # Not exactly half: some embeddings are computed once per batch.
    assert count(trainable, frozen, half) == pytest.approx(full / 2, rel=1e-3)
    # More than the forward pass, less than with a gradient for every weight.
    assert count({}, trainable | frozen) < 0.5 * full
    # The temporal weights have no gradient.
    unet = {n: x for n, x in frozen.items() if n.startswith("unet.")}
    rest = {n: x for n, x in frozen.items() if n not in unet}
    assert 1.05 * full < count(trainable | unet, rest) < 1.5 * full

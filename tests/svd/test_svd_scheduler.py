"""Noise levels and steps against diffusers and against published values."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from svd_reference import published

from stereojax.svd import scheduler


@pytest.mark.parametrize("steps", [2, 5, 8, 25])
def test_karras_levels_match_diffusers(steps):
    reference = published(steps)
    sigmas = scheduler.schedule("karras", steps)
    np.testing.assert_allclose(sigmas, reference.sigmas.numpy(), rtol=1e-6)
    np.testing.assert_allclose(
        scheduler.timestep(jnp.asarray(sigmas[:-1])),
        reference.timesteps.numpy(),
        rtol=1e-5,
        atol=1e-6,
    )
    assert scheduler.initial_scale() == pytest.approx(float(reference.init_noise_sigma))


@pytest.mark.parametrize(
    ("name", "steps", "levels", "times"),
    [
        (
            "karras",
            5,
            [700, 134.8544, 15.58997, 0.678146, 0.002],
            [1.63777, 1.226049, 0.686657, -0.097098, -1.553652],
        ),
        (
            "karras",
            8,
            [
                700,
                286.53885,
                102.90337,
                30.993608,
                7.276163,
                1.167571,
                0.0973877,
                0.002,
            ],
            [
                *(1.63777, 1.414469, 1.158448, 0.858445),
                *(0.496151, 0.038731, -0.582264, -1.553652),
            ],
        ),
        (
            "align_your_steps",
            8,
            [700, 32.1327, 8.80195, 3.31801, 1.16473, 0.357141, 0.0682799, 0.002],
            None,
        ),
        ("align_your_steps", 5, [700, 11.2571, 1.789, 0.264044, 0.002], None),
        ("align_your_steps", 11, list(scheduler.ALIGN_YOUR_STEPS), None),
    ],
)
def test_levels_match_the_published_values(name, steps, levels, times):
    sigmas = scheduler.schedule(name, steps)
    np.testing.assert_allclose(sigmas, [*levels, 0], rtol=5e-6)
    if times is not None:
        time = scheduler.timestep(jnp.asarray(sigmas[:-1]))
        np.testing.assert_allclose(time, times, atol=2e-6)


def test_without_the_last_call_sampling_ends_at_0_002():
    sigmas = scheduler.schedule("align_your_steps", 8, drop_last=True)
    assert len(sigmas) == 8 and sigmas[-1] == np.float32(0.002)


@pytest.mark.parametrize("index", [0, 3, 7])
def test_a_step_matches_diffusers(index):
    reference = published(8)
    sigma, lower = reference.sigmas[index : index + 2].numpy()
    x, v = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    x = x * float(np.hypot(sigma, 1))
    time = reference.timesteps[index]
    scaled = reference.scale_model_input(x, time).numpy()
    expected = reference.step(v, time, x).prev_sample.numpy()
    ours = [jnp.asarray(a.numpy()) for a in (x, v)]
    np.testing.assert_allclose(
        scheduler.scaled(ours[0], jnp.float32(sigma)), scaled, rtol=1e-5, atol=1e-6
    )
    actual = scheduler.euler_step(
        ours[1], ours[0], jnp.float32(sigma), jnp.float32(lower)
    )
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_perfect_prediction_gives_the_clean_latents():
    """The v of known noise and latents gives these latents from any noise level."""
    rng = np.random.default_rng(0)
    clean, noise = (jnp.asarray(rng.standard_normal(50), jnp.float32) for _ in "cn")
    for sigma in scheduler.schedule("align_your_steps", 5)[:-1]:
        noisy = clean + sigma * noise
        v = (noise - sigma * clean) / np.hypot(sigma, 1)
        end = scheduler.euler_step(v, noisy, jnp.float32(sigma), jnp.float32(0))
        np.testing.assert_allclose(end, clean, atol=3e-7 * max(sigma, 3))


@pytest.mark.parametrize(
    ("name", "steps", "message"),
    [("cosine", 8, "karras, align_your_steps"), ("karras", 1, "2 or more")],
)
def test_an_invalid_schedule_is_an_error(name, steps, message):
    with pytest.raises(ValueError, match=message):
        scheduler.schedule(name, steps)

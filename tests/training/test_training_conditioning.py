"""The inputs of the U-Net in training, recorded at its call."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_training

from stereojax.inpaint.conditioning import TIME_IDS, latent_mask
from stereojax.splat import forward_splat
from stereojax.splat.api import sharpness_for
from stereojax.svd.clip_image import clip_pixels
from stereojax.training import inpaint_task

SETTINGS = dataclasses.replace(tiny_training.SETTINGS, batch=2, hole_weight=3.0)
SIGMA, V = 2.0, 0.25
KNOWN = np.array([0, 2])  # of three frames
SCALING = 0.5  # scaling factor of the VAE; that of the patches is 1


class RecordingUNet:
    """A U-Net that records its inputs and predicts V everywhere."""

    def __call__(self, sample, timestep, context, time_ids):
        self.inputs = sample, timestep, context, time_ids
        return jnp.full((*sample.shape[:-1], sample.shape[-1] // 2), V)


@dataclasses.dataclass
class Scene:
    inputs: tuple  # of the U-Net
    losses: np.ndarray
    metrics: dict
    truth: np.ndarray
    splatted: np.ndarray
    mask: np.ndarray
    context: np.ndarray  # of the splatted first frame, and of the true one
    noise: np.ndarray


def run_loss(monkeypatch, **drops: float) -> Scene:
    initial = tiny_training.initial_model(SETTINGS)
    arrays = {n: jnp.asarray(x) for n, x in initial.arrays.items()}
    networks = initial.structure.model(arrays)
    vae = types.SimpleNamespace(
        config=types.SimpleNamespace(scaling_factor=SCALING), encode=networks.vae.encode
    )
    unet = RecordingUNet()
    model = types.SimpleNamespace(
        unet=unet, vae=vae, image_encoder=networks.image_encoder
    )
    key = jax.random.key(4)

    def fixed_draws(settings, keys):
        keep = {"keep_context": 1.0, "keep_latents": 1.0} | drops
        return {name: jnp.float32(x) for name, x in keep.items()} | {
            "sigma": jnp.float32(SIGMA),
            "noise": key,
            "known": jnp.asarray(KNOWN)[jax.random.key_data(keys)[-1] % 2],
            "pixels": key,
        }

    monkeypatch.setattr(inpaint_task, "_draw", fixed_draws)
    # The last word of the key data is the sample's number.
    keys = jax.random.wrap_key_data(jnp.array([[0, 0], [0, 1]], jnp.uint32))
    batch = {n: jnp.asarray(x) for n, x in tiny_training.batch(0, SETTINGS).items()}
    losses, metrics = inpaint_task.loss(SETTINGS)(model, batch, keys)

    right = batch["right"] / jnp.float32(255)
    splat = forward_splat(
        batch["left"], batch["disparity"], sharpness=sharpness_for(SETTINGS.width)
    )
    truth, splatted = (networks.vae.encode(2 * x - 1) for x in (right, splat.warped))
    size = networks.image_encoder.config.image_size
    context = [
        networks.image_encoder(clip_pixels(x[:, 0], size))
        for x in (splat.warped, right)
    ]
    mask = latent_mask(splat.occlusion, truth.shape[2:4])
    noise = jax.random.normal(key, truth.shape[1:])
    return Scene(
        tuple(map(np.asarray, unet.inputs)),
        np.asarray(losses),
        {n: np.asarray(x) for n, x in metrics.items()},
        *map(np.asarray, (truth, splatted, mask)),
        np.stack(context, axis=1),
        np.broadcast_to(noise, truth.shape),
    )


def test_the_input_is_noisy_latents_splatted_latents_and_mask(monkeypatch):
    scene = run_loss(monkeypatch)
    sample, timestep, context, time_ids = scene.inputs
    z = scene.truth.shape[-1]
    assert sample.shape[-1] == 2 * z + 1
    level = np.sqrt(SIGMA**2 + 1)
    # Only the denoised latents are scaled, and only the noisy ones preconditioned.
    noisy = SCALING * scene.truth + SIGMA * scene.noise
    np.testing.assert_allclose(sample[..., :z], noisy / level, rtol=1e-4, atol=1e-5)
    # The first sample has no known frame, the second two.
    condition, hole = scene.splatted.copy(), scene.mask.copy()
    condition[1, :2], hole[1, :2] = scene.truth[1, :2], 0
    assert np.abs(scene.truth - scene.splatted).max() > 0.1 and hole[1, 2].any()
    np.testing.assert_allclose(sample[..., z : 2 * z], condition, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(sample[..., 2 * z], hole)
    first = np.stack([scene.context[0, 0], scene.context[1, 1]])[:, None]
    np.testing.assert_allclose(context, first, rtol=1e-4, atol=1e-5)
    assert np.abs(scene.context[:, 0] - scene.context[:, 1]).max() > 1e-3
    np.testing.assert_allclose(timestep, 0.25 * np.log([SIGMA, SIGMA]), rtol=1e-5)
    np.testing.assert_array_equal(time_ids, [TIME_IDS] * 2)


def test_the_loss_is_the_error_of_v_weighted_in_holes(monkeypatch):
    scene = run_loss(monkeypatch)
    clean = SCALING * scene.truth
    v = (scene.noise - SIGMA * clean) / np.sqrt(SIGMA**2 + 1)
    error = np.square(V - v).mean(-1)
    hole = scene.inputs[0][..., -1]
    expected = (error * np.where(hole == 1, 3.0, 1.0)).mean((1, 2, 3))
    np.testing.assert_allclose(scene.losses, expected, rtol=1e-4)
    np.testing.assert_allclose(scene.metrics["error"], error.mean((1, 2, 3)), rtol=1e-4)
    inside = (error * hole).mean((1, 2, 3))
    np.testing.assert_allclose(scene.metrics["hole_error"], inside, rtol=1e-4)
    assert 0.01 < hole.mean() < 0.9


@pytest.mark.parametrize("name", ["keep_context", "keep_latents"])
def test_dropped_conditioning_is_zero(monkeypatch, name):
    kept, dropped = run_loss(monkeypatch), run_loss(monkeypatch, **{name: 0.0})
    sample, _, context, time_ids = dropped.inputs
    z = dropped.truth.shape[-1]
    if name == "keep_context":
        assert not context.any() and sample[..., z:].any()
    else:
        assert not sample[..., z:].any() and context.any()
    np.testing.assert_array_equal(sample[..., :z], kept.inputs[0][..., :z])
    np.testing.assert_array_equal(time_ids, [TIME_IDS] * 2)
    # The metrics still use the true hole.
    np.testing.assert_array_equal(dropped.metrics["hole"], kept.metrics["hole"])

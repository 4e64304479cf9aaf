"""What the U-Net is told in training, read off where it is called."""

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
SCALING = 0.5  # of the VAE, which the patches leave at 1


class Listener:
    """In the place of the U-Net: finds V everywhere."""

    def __call__(self, sample, timestep, context, time_ids):
        self.heard = sample, timestep, context, time_ids
        return jnp.full((*sample.shape[:-1], sample.shape[-1] // 2), V)


@dataclasses.dataclass
class Scene:
    heard: tuple
    losses: np.ndarray
    numbers: dict
    truth: np.ndarray
    splatted: np.ndarray
    mask: np.ndarray
    context: np.ndarray  # of the splatted first frame, and of the true one
    noise: np.ndarray


def told(monkeypatch, **drops: float) -> Scene:
    start = tiny_training.initial_model(SETTINGS)
    whole = start.structure.model({n: jnp.asarray(x) for n, x in start.arrays.items()})
    vae = types.SimpleNamespace(
        config=types.SimpleNamespace(scaling_factor=SCALING), encode=whole.vae.encode
    )
    listener = Listener()
    model = types.SimpleNamespace(
        unet=listener, vae=vae, image_encoder=whole.image_encoder
    )
    key = jax.random.key(4)

    def drawn(settings, keys):
        given = {"keep_context": 1.0, "keep_latents": 1.0} | drops
        return {name: jnp.float32(x) for name, x in given.items()} | {
            "sigma": jnp.float32(SIGMA),
            "noise": key,
            "known": jnp.asarray(KNOWN)[jax.random.key_data(keys)[-1] % 2],
            "pixels": key,
        }

    monkeypatch.setattr(inpaint_task, "_draw", drawn)
    # The last word of the data is the sample's number.
    keys = jax.random.wrap_key_data(jnp.array([[0, 0], [0, 1]], jnp.uint32))
    batch = {n: jnp.asarray(x) for n, x in tiny_training.batch(0, SETTINGS).items()}
    losses, numbers = inpaint_task.loss(SETTINGS)(model, batch, keys)

    right = batch["right"] / jnp.float32(255)
    splat = forward_splat(
        batch["left"], batch["disparity"], sharpness=sharpness_for(SETTINGS.width)
    )
    truth, splatted = (whole.vae.encode(2 * x - 1) for x in (right, splat.warped))
    size = whole.image_encoder.config.image_size
    context = [
        whole.image_encoder(clip_pixels(x[:, 0], size)) for x in (splat.warped, right)
    ]
    mask = latent_mask(splat.occlusion, truth.shape[2:4])
    noise = jax.random.normal(key, truth.shape[1:])
    return Scene(
        tuple(map(np.asarray, listener.heard)),
        np.asarray(losses),
        {n: np.asarray(x) for n, x in numbers.items()},
        *map(np.asarray, (truth, splatted, mask)),
        np.stack(context, axis=1),
        np.broadcast_to(noise, truth.shape),
    )


def test_noisy_latents_then_the_splatted_view_then_its_hole(monkeypatch):
    scene = told(monkeypatch)
    sample, timestep, context, time_ids = scene.heard
    z = scene.truth.shape[-1]
    assert sample.shape[-1] == 2 * z + 1
    level = np.sqrt(SIGMA**2 + 1)
    # Only what is to be found is scaled, and only the noisy latents are preconditioned.
    noisy = SCALING * scene.truth + SIGMA * scene.noise
    np.testing.assert_allclose(sample[..., :z], noisy / level, rtol=1e-4, atol=1e-5)
    # The first sample knows no frame, the second its first two.
    shown, hole = scene.splatted.copy(), scene.mask.copy()
    shown[1, :2], hole[1, :2] = scene.truth[1, :2], 0
    assert np.abs(scene.truth - scene.splatted).max() > 0.1 and hole[1, 2].any()
    np.testing.assert_allclose(sample[..., z : 2 * z], shown, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(sample[..., 2 * z], hole)
    first = np.stack([scene.context[0, 0], scene.context[1, 1]])[:, None]
    np.testing.assert_allclose(context, first, rtol=1e-4, atol=1e-5)
    assert np.abs(scene.context[:, 0] - scene.context[:, 1]).max() > 1e-3
    np.testing.assert_allclose(timestep, 0.25 * np.log([SIGMA, SIGMA]), rtol=1e-5)
    np.testing.assert_array_equal(time_ids, [TIME_IDS] * 2)


def test_the_loss_is_of_v_and_weighs_holes(monkeypatch):
    scene = told(monkeypatch)
    clean = SCALING * scene.truth
    v = (scene.noise - SIGMA * clean) / np.sqrt(SIGMA**2 + 1)
    error = np.square(V - v).mean(-1)
    hole = scene.heard[0][..., -1]
    wanted = (error * np.where(hole == 1, 3.0, 1.0)).mean((1, 2, 3))
    np.testing.assert_allclose(scene.losses, wanted, rtol=1e-4)
    np.testing.assert_allclose(scene.numbers["error"], error.mean((1, 2, 3)), rtol=1e-4)
    inside = (error * hole).mean((1, 2, 3))
    np.testing.assert_allclose(scene.numbers["hole_error"], inside, rtol=1e-4)
    assert 0.01 < hole.mean() < 0.9


@pytest.mark.parametrize("name", ["keep_context", "keep_latents"])
def test_what_guidance_leads_from_is_zeros(monkeypatch, name):
    kept, dropped = told(monkeypatch), told(monkeypatch, **{name: 0.0})
    sample, _, context, time_ids = dropped.heard
    z = dropped.truth.shape[-1]
    if name == "keep_context":
        assert not context.any() and sample[..., z:].any()
    else:
        assert not sample[..., z:].any() and context.any()
    np.testing.assert_array_equal(sample[..., :z], kept.heard[0][..., :z])
    np.testing.assert_array_equal(time_ids, [TIME_IDS] * 2)
    # Where the holes were is still known to the rows.
    np.testing.assert_array_equal(dropped.numbers["hole"], kept.numbers["hole"])

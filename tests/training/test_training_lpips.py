"""LPIPS in training: a validation metric, and a loss on decoded crops."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import lpips_reference
import numpy as np
import pytest
import tiny_training

from convert_weights import convert
from stereojax import weights
from stereojax.cli import InputError
from stereojax.metrics.lpips import LPIPS
from stereojax.svd.patches import Patches
from stereojax.training import initial_model, inpaint_task
from stereojax.training.objective import pixel_loss
from stereojax.weights.abstract import abstract

SETTINGS = dataclasses.replace(
    tiny_training.SETTINGS,
    frames=1,
    height=32,
    width=48,
    batch=1,
    known_frames=0,
    validation_steps=2,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    convert(lpips_reference.save(folder), folder / "root")
    return folder / "root"


@pytest.fixture(scope="module")
def lpips(root):
    _, state = weights.load(root / "lpips_alex")
    return weights.load_state(
        abstract(lambda rngs: LPIPS(rngs=rngs)), state, what="lpips"
    )


def test_validation_lpips_is_that_of_the_shown_frames(root, lpips):
    initial = initial_model.load_initial_model(SETTINGS, root=root)
    model = initial.structure.model(initial.arrays)
    batch = {n: jnp.asarray(x) for n, x in tiny_training.batch(0, SETTINGS).items()}
    keys = jax.random.split(jax.random.key(0), 1)
    metrics, image = jax.jit(inpaint_task.validate(SETTINGS))(model, batch, keys)
    _, _, filled, background, right = jnp.split(image, 5, axis=2)
    for name, shown in (("val_lpips", filled), ("val_lpips_background", background)):
        expected = lpips(shown, right)
        assert expected > 0.1
        np.testing.assert_allclose(metrics[name], expected, rtol=1e-4)
    assert abs(metrics["val_lpips"] - metrics["val_lpips_background"]) > 1e-3


def lpips_names(settings, root):
    initial = initial_model.load_initial_model(settings, root=root)
    names = [n for n in initial.arrays if n.startswith("lpips.")]
    assert set(initial.arrays) == set(initial.structure.names)
    return names, initial.identity


def test_lpips_is_loaded_only_if_required_or_installed(root, tmp_path):
    names, identity = lpips_names(SETTINGS, root)
    assert len(names) == 15 and "lpips" not in identity
    for settings, folder in (
        (SETTINGS, tmp_path),
        (dataclasses.replace(SETTINGS, validate_every=0), root),
        (dataclasses.replace(SETTINGS, height=30), root),  # too small for LPIPS
    ):
        assert lpips_names(settings, folder) == ([], identity)
    # With an LPIPS loss, the weights are part of the run's identity.
    in_loss = dataclasses.replace(SETTINGS, pixel_lpips=0.5, validate_every=0)
    names, identity = lpips_names(in_loss, root)
    assert len(names) == 15
    assert identity["lpips"] == weights.fingerprint(root / "lpips_alex")


def test_an_lpips_loss_without_weights_names_the_command(tmp_path):
    settings = dataclasses.replace(SETTINGS, pixel_lpips=0.5)
    with pytest.raises(InputError, match=r"lpips_alex.*-m convert_weights --source"):
        initial_model.load_initial_model(settings, root=tmp_path)


@pytest.mark.parametrize("change", [{"pixel_crop": 31}, {"height": 30}])
def test_crops_too_small_for_lpips_are_refused(root, change):
    settings = dataclasses.replace(SETTINGS, pixel_lpips=0.5, **change)
    with pytest.raises(InputError, match=r"pixel_lpips=0.5: a decoded crop has 30 px"):
        initial_model.load_initial_model(settings, root=root)


def test_the_loss_compares_decoded_latents(lpips):
    vae = Patches()
    rng = np.random.default_rng(0)
    right, other = (
        jnp.asarray(rng.random((2, 2, 32, 48, 3), np.float32)) for _ in range(2)
    )
    latents = vae.encode(2 * other - 1) * vae.config.scaling_factor
    sigma = jnp.array([0.0, 2.0])
    keys = jax.random.split(jax.random.key(0), 2)
    model = SimpleNamespace(vae=vae, lpips=lpips)
    # The crop covers the whole frame, so its position is fixed.
    settings = dataclasses.replace(SETTINGS, pixel_frames=2, pixel_crop=48)

    def loss(latents, **weights):
        weighted = dataclasses.replace(settings, **weights)
        return pixel_loss(model, latents, right, sigma, keys, weighted)

    l1 = jnp.abs(other - right).mean((1, 2, 3, 4))
    distance = lpips(other, right).mean(1)
    assert (distance > 0.1).all()
    weight = 1 / (sigma**2 + 1)
    for result, expected in (
        (loss(latents, pixel_lpips=0.5), 0.5 * distance * weight),
        (
            loss(latents, pixel_l1=2.0, pixel_lpips=0.5),
            (2 * l1 + 0.5 * distance) * weight,
        ),
    ):
        np.testing.assert_allclose(result, expected, rtol=1e-4)
    grad = jax.grad(lambda x: loss(x, pixel_lpips=0.5).sum())(latents)
    assert np.isfinite(grad).all()
    # A step along the negative gradient lowers the loss.
    closer = latents - 0.1 * grad / jnp.abs(grad).max()
    assert (loss(closer, pixel_lpips=0.5) < loss(latents, pixel_lpips=0.5)).all()

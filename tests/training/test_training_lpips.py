"""LPIPS in training: a number of validation, and a loss on decoded crops."""

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
def judge(root):
    _, state = weights.load(root / "lpips_alex")
    return weights.fill(abstract(lambda rngs: LPIPS(rngs=rngs)), state, what="lpips")


def test_validation_measures_what_it_shows(root, judge):
    start = initial_model.load_initial_model(SETTINGS, root=root)
    model = start.structure.model(start.arrays)
    batch = {n: jnp.asarray(x) for n, x in tiny_training.batch(0, SETTINGS).items()}
    keys = jax.random.split(jax.random.key(0), 1)
    found, picture = jax.jit(inpaint_task.validate(SETTINGS))(model, batch, keys)
    _, _, filled, background, right = jnp.split(picture, 5, axis=2)
    for name, shown in (("val_lpips", filled), ("val_lpips_background", background)):
        wanted = judge(shown, right)
        assert wanted > 0.1
        np.testing.assert_allclose(found[name], wanted, rtol=1e-4)
    assert abs(found["val_lpips"] - found["val_lpips_background"]) > 1e-3


def lpips_names(settings, root):
    start = initial_model.load_initial_model(settings, root=root)
    names = [n for n in start.arrays if n.startswith("lpips.")]
    assert set(start.arrays) == set(start.structure.names)
    return names, start.identity


def test_it_is_there_only_where_it_is_needed_or_found(root, tmp_path):
    names, identity = lpips_names(SETTINGS, root)
    assert len(names) == 15 and "lpips" not in identity
    for settings, place in (
        (SETTINGS, tmp_path),
        (dataclasses.replace(SETTINGS, validate_every=0), root),
        (dataclasses.replace(SETTINGS, height=30), root),  # of which there is none
    ):
        assert lpips_names(settings, place) == ([], identity)
    # A run whose loss has it is that of these weights.
    trains = dataclasses.replace(SETTINGS, pixel_lpips=0.5, validate_every=0)
    names, identity = lpips_names(trains, root)
    assert len(names) == 15
    assert identity["lpips"] == weights.fingerprint(root / "lpips_alex")


def test_a_loss_without_its_part_says_what_to_run(tmp_path):
    settings = dataclasses.replace(SETTINGS, pixel_lpips=0.5)
    with pytest.raises(InputError, match=r"lpips_alex.*-m convert_weights --source"):
        initial_model.load_initial_model(settings, root=tmp_path)


@pytest.mark.parametrize("change", [{"pixel_crop": 31}, {"height": 30}])
def test_crops_too_small_for_it_are_refused(root, change):
    settings = dataclasses.replace(SETTINGS, pixel_lpips=0.5, **change)
    with pytest.raises(InputError, match=r"pixel_lpips=0.5: a decoded crop has 30 px"):
        initial_model.load_initial_model(settings, root=root)


def test_the_loss_is_of_what_is_decoded(judge):
    vae = Patches()
    rng = np.random.default_rng(0)
    right, other = (
        jnp.asarray(rng.random((2, 2, 32, 48, 3), np.float32)) for _ in range(2)
    )
    latents = vae.encode(2 * other - 1) * vae.config.scaling_factor
    sigma = jnp.array([0.0, 2.0])
    keys = jax.random.split(jax.random.key(0), 2)
    model = SimpleNamespace(vae=vae, lpips=judge)
    # The crop is the whole: nothing of it is drawn.
    settings = dataclasses.replace(SETTINGS, pixel_frames=2, pixel_crop=48)

    def loss(latents, **weight):
        given = dataclasses.replace(settings, **weight)
        return pixel_loss(model, latents, right, sigma, keys, given)

    l1 = jnp.abs(other - right).mean((1, 2, 3, 4))
    look = judge(other, right).mean(1)
    assert (look > 0.1).all()
    share = 1 / (sigma**2 + 1)
    for found, wanted in (
        (loss(latents, pixel_lpips=0.5), 0.5 * look * share),
        (loss(latents, pixel_l1=2.0, pixel_lpips=0.5), (2 * l1 + 0.5 * look) * share),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4)
    slope = jax.grad(lambda x: loss(x, pixel_lpips=0.5).sum())(latents)
    assert np.isfinite(slope).all()
    # Downhill it looks more alike.
    closer = latents - 0.1 * slope / jnp.abs(slope).max()
    assert (loss(closer, pixel_lpips=0.5) < loss(latents, pixel_lpips=0.5)).all()

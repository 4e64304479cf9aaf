"""One window through small random networks: tiles, padding, devices."""

import dataclasses
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.cli import InputError
from stereojax.inpaint import diffusion as module
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import random_networks
from stereojax.inpaint.noise import frame_noise, shot_key
from stereojax.inpaint.published import PUBLISHED
from stereojax.inpaint.tiles import Synchronize
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.svd.networks import SVDNetworks
from stereojax.svd.vae import VAEConfig

T, H, W = 2, 61, 150  # padded to 64x152: three tiles of 64x64
SMALL = VAEConfig(block_out_channels=(32, 32), layers_per_block=1)  # 2 px per latent
SETTINGS = DiffusionSettings(
    steps=2, window=T, overlap=1, tile_width=64, tile_overlap=16
)


@pytest.fixture(scope="module")
def networks() -> SVDNetworks:
    return random_networks(vae=SMALL)


def make(networks, **changes) -> Diffusion:
    return Diffusion(networks, dataclasses.replace(SETTINGS, **changes))


def window(hole=np.s_[:, :]) -> tuple[jax.Array, jax.Array]:
    """Returns pictures in [0, 1] and their occlusion, with holes inside `hole`."""
    rng = np.random.default_rng(0)
    occlusion = np.zeros((T, H, W), np.float32)
    occlusion[:, *hole] = rng.random((T, H, W))[:, *hole] < 0.2
    pictures = rng.random((T, H, W, 3)) * (1 - occlusion[..., None])
    return jnp.asarray(pictures, jnp.float32), jnp.asarray(occlusion)


def noise(diffusion: Diffusion) -> jax.Array:
    return frame_noise(shot_key(0, 0), 0, T, diffusion.plan.latent_shape(H, W))


def latents(diffusion: Diffusion, hole=np.s_[:, :], known: int = 0) -> np.ndarray:
    pictures = window(hole)
    return np.asarray(diffusion.latents(*pictures, noise(diffusion), known=known))


def error(actual, expected) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("sync", ["every_step", "end"])
def test_tiles_denoised_singly_or_together_are_the_same(networks, sync):
    singly = latents(make(networks, tile_sync=sync, tiles_at_once=1))
    together = latents(make(networks, tile_sync=sync, tiles_at_once=0))
    assert np.std(singly) > 0.1
    assert error(singly, together) < 1e-4


class Spy:
    """Records the arguments of `denoise`."""

    def __init__(self, monkeypatch):
        self.calls, self.denoise = [], module.denoise
        monkeypatch.setattr(module, "denoise", self)

    def __call__(self, unet, start, conditioning, *args, **kwargs):
        self.calls.append({"conditioning": conditioning} | kwargs)
        return self.denoise(unet, start, conditioning, *args, **kwargs)


def test_several_tiles_are_synchronised_if_the_setting_says_so(networks, monkeypatch):
    spy = Spy(monkeypatch)
    every = latents(make(networks, tile_sync="every_step"))
    end = latents(make(networks, tile_sync="end"))
    latents(make(networks, tile_sync="every_step", tile_width=1024))
    after_steps = [call["after_step"] for call in spy.calls]
    assert isinstance(after_steps[0], Synchronize)
    assert after_steps[1:] == [None, None]
    assert error(every, end) > 1e-4


def test_a_tile_without_a_hole_is_not_denoised(networks, monkeypatch):
    spy = Spy(monkeypatch)
    diffusion = make(networks)
    right = np.s_[:, 116:]  # inside the last tile alone
    before = latents(diffusion, right)
    assert [call["batching"].count for call in spy.calls] == [1]
    begins = diffusion.plan.tiles(H, W).lefts[-1]
    assert begins == 44  # 88 pixels
    # The denoised tile does not depend on its inactive neighbours.
    pictures, occlusion = window(right)
    other = diffusion.latents(
        pictures.at[:, :, :80].set(0.5), occlusion, noise(diffusion)
    )
    assert error(np.asarray(other)[:, :, begins:], before[:, :, begins:]) < 1e-5
    assert error(np.asarray(other)[:, :, :begins], before[:, :, :begins]) > 1e-2


def test_without_holes_no_network_runs(networks, monkeypatch):
    monkeypatch.setattr(module, "denoise", None)
    diffusion = make(networks)
    pictures, occlusion = window(np.s_[:0, :0])
    shown = diffusion.generate(pictures, occlusion, noise(diffusion))
    np.testing.assert_array_equal(shown, pictures)
    # The latents are those of the VAE, tile by tile.
    untiled = make(networks, tile_width=1024)
    actual, expected = (latents(d, np.s_[:0, :0]) for d in (diffusion, untiled))
    assert np.abs(actual - expected).mean() < 0.2 * np.abs(expected).mean()


def test_known_frames_have_no_mask(networks, monkeypatch):
    spy = Spy(monkeypatch)
    latents(make(networks), known=1)
    masks = np.asarray(spy.calls[0]["conditioning"].channels[..., -1])
    assert not masks[:, 0].any()
    assert masks[:, 1].any()


@pytest.mark.parametrize("size", [(1, 1), (33, 17)])
def test_any_size_keeps_its_size(networks, size):
    diffusion = make(networks, steps=2)
    pictures = jnp.full((1, *size, 3), 0.5)
    start = jnp.zeros((1, *diffusion.plan.latent_shape(*size)))
    out = diffusion.generate(pictures, jnp.ones((1, *size)), start)
    assert out.shape == (1, *size, 3)
    assert 0 <= out.min() <= out.max() <= 1


def test_a_picture_smaller_than_the_published_cut_is_refused(networks):
    small = Diffusion(networks, SETTINGS, recipe=PUBLISHED)
    with pytest.raises(InputError, match=r"150x60 .* smaller than 128"):
        small.plan.tiles(60, 150)


def test_published_tiles_that_do_not_fit_are_refused(networks):
    three = dataclasses.replace(SETTINGS, tile_num=3)
    with pytest.raises(InputError, match="3 tiles"):
        Diffusion(networks, three, recipe=PUBLISHED).plan.tiles(512, 1024)


DEVICES = """
import sys
import jax, numpy as np
sys.path.insert(0, sys.argv[1])
jax.config.update("jax_default_matmul_precision", "highest")
from test_diffusion import latents, SETTINGS, SMALL
from stereojax.inpaint.tiles import Synchronize
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import random_networks
networks = random_networks(vae=SMALL)
assert jax.device_count() == 8
for count in (1, 2, 8):
    out = latents(Diffusion(networks, SETTINGS, devices=jax.devices()[:count]))
    np.save(f"{sys.argv[2]}/{count}.npy", out)
"""


def test_the_number_of_devices_changes_nothing(tmp_path):
    flags = "--xla_force_host_platform_device_count=8"
    command = [sys.executable, "-c", DEVICES, os.path.dirname(__file__), str(tmp_path)]
    done = subprocess.run(
        command,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    one, two, eight = (np.load(tmp_path / f"{n}.npy") for n in (1, 2, 8))
    assert np.std(one) > 0.1
    assert error(two, one) < 1e-4
    assert error(eight, one) < 1e-4

"""Inpainting of windows: known pixels, shared frames, matched colours."""

import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint.compose import fill_share
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.inpaint_window import inpaint_window
from stereojax.inpaint.match_colors import match_colors
from stereojax.inpaint.networks import random_networks
from stereojax.inpaint.noise import frame_noise, shot_key
from stereojax.inpaint.published import PUBLISHED
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.svd.vae import VAEConfig
from stereojax.windows import Window

H, W = 48, 64
SMALL = VAEConfig(block_out_channels=(32, 32), layers_per_block=1)  # 2 px per latent
LOOK = {"dilate": 16.0, "feather": 32.0}  # 1 and 2 pixels at this width
KEY = shot_key(0, 0)


@pytest.fixture(scope="module")
def diffusion() -> Diffusion:
    settings = DiffusionSettings(steps=2, window=4, overlap=2)
    return Diffusion(random_networks(vae=SMALL), settings)


def splats(frames: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (frames, H, W, 3))
    occlusion = np.zeros((frames, H, W), np.float32)
    occlusion[:, 10:30, 20:28] = 1
    return np.float32(codes / 255) * (1 - occlusion[..., None]), occlusion


def no_frames(dtype=np.uint8) -> np.ndarray:
    return np.zeros((0, H, W, 3), dtype)


def test_a_window_starts_from_the_views_of_the_window_before(diffusion, monkeypatch):
    seen = []

    def generate(self, pictures, *args, **kwargs):
        seen.append(np.asarray(pictures))
        return pictures

    monkeypatch.setattr(Diffusion, "generate", generate)
    warped, occlusion = splats(3)
    before = np.random.default_rng(5).integers(0, 256, (2, H, W, 3)).astype(np.uint8)
    window = Window(4, 7, 2)
    inpaint_window(diffusion, window, warped, occlusion, before, KEY, **LOOK)
    np.testing.assert_allclose(seen[0][:2], before / 255, atol=1e-6)
    np.testing.assert_array_equal(seen[0][2], warped[2])


def test_known_pixels_are_the_splats_and_holes_are_generated(diffusion):
    warped, occlusion = splats(2)
    right = inpaint_window(
        diffusion, Window(0, 2, 0), warped, occlusion, no_frames(), KEY, **LOOK
    )
    known = np.asarray(fill_share(jnp.asarray(occlusion), **floats(LOOK))) == 0
    assert 0.5 < known.mean() < 0.95
    np.testing.assert_array_equal(right[known], np.rint(255 * warped[known]))
    assert right[:, 15:25, 22:26].std() > 1


def floats(look):
    return {name: float(value) for name, value in look.items()}


def test_shared_frames_cross_fade(diffusion, monkeypatch):
    calls = []

    def generate(self, pictures, *args, known):
        calls.append(known)
        return jnp.full(pictures.shape, 100 / 255)

    monkeypatch.setattr(Diffusion, "generate", generate)
    # Without any known pixel, colours are not matched.
    warped, occlusion = np.zeros((3, H, W, 3), np.float32), np.ones((3, H, W), "f")
    before = np.full((2, H, W, 3), 10, np.uint8)
    window = Window(4, 7, 2)
    mixed = inpaint_window(diffusion, window, warped, occlusion, before, KEY, **LOOK)
    assert calls == [2]
    assert (mixed == np.array([40, 70, 100])[:, None, None, None]).all()


def test_lengths_are_rounded_up_and_a_single_frame_stays_one(diffusion, monkeypatch):
    lengths = []

    def spy(self, pictures, *args, **kwargs):
        lengths.append(len(pictures))
        return jnp.zeros_like(pictures)

    monkeypatch.setattr(Diffusion, "generate", spy)
    for frames in (1, 2, 3, 4):
        right = inpaint_window(
            diffusion, Window(0, frames, 0), *splats(frames), no_frames(), KEY, **LOOK
        )
        assert len(right) == frames
    assert lengths == [1, 4, 4, 4]


def test_16_bit_films_give_16_bit_views(diffusion, monkeypatch):
    monkeypatch.setattr(
        Diffusion, "generate", lambda self, pictures, *_, **__: pictures
    )
    warped, occlusion = splats(1)
    right = inpaint_window(
        diffusion,
        Window(0, 1, 0),
        *(warped, occlusion, no_frames(np.uint16), KEY),
        **LOOK,
    )
    assert right.dtype == np.uint16
    np.testing.assert_array_equal(right[0, 0], np.rint(65535 * warped[0, 0]))


def test_published_keeps_shared_frames_and_replaces_all_others(diffusion):
    settings = DiffusionSettings(steps=2, window=8, overlap=2)
    published = Diffusion(random_networks(vae=SMALL), settings, recipe=PUBLISHED)
    rng = np.random.default_rng(2)
    warped = rng.random((2, 130, 140, 3)).astype(np.float32)
    before = rng.integers(0, 256, (1, 130, 140, 3)).astype(np.uint8)
    occlusion = np.zeros(warped.shape[:3], np.float32)
    right = inpaint_window(
        published, Window(3, 5, 1), warped, occlusion, before, KEY, **LOOK
    )
    np.testing.assert_array_equal(right[0], before[0])
    splatted = np.rint(255 * warped[1])
    assert (right[1] != splatted)[:128, :128].mean() > 0.5
    np.testing.assert_array_equal(right[1, 128:], splatted[128:])
    np.testing.assert_array_equal(right[1, :, 128:], splatted[:, 128:])


def test_noise_depends_on_frame_and_shot_alone():
    all_frames = frame_noise(KEY, 0, 5, (2, 3, 4))
    np.testing.assert_array_equal(frame_noise(KEY, 3, 2, (2, 3, 4)), all_frames[3:])
    other = frame_noise(shot_key(0, 1), 0, 5, (2, 3, 4))
    assert not np.isclose(other, all_frames).any(axis=(1, 2, 3)).all()
    assert abs(float(all_frames.mean())) < 0.3
    assert np.unique(all_frames).size == all_frames.size


def test_colors_are_matched_to_the_known_pixels_around_the_hole():
    y, x = np.mgrid[:H, :W] / 64
    truth = np.stack([0.3 + 0.2 * x, 0.5 - 0.2 * y, 0.4 + 0 * x], -1)[None]
    texture = np.random.default_rng(0).normal(scale=0.02, size=truth.shape)
    truth = np.float32(truth + texture)
    drift = np.stack([0.1 + 0.05 * x, -0.05 * y, 0.03 * x], -1)
    known = np.ones((1, H, W), np.float32)
    known[:, 10:30, 20:28] = 0
    warped = truth * known[..., None]
    generated = np.float32(truth + drift)
    matched = match_colors(*map(jnp.asarray, (generated, warped, known)))
    hole = np.s_[:, 10:30, 20:28]
    assert np.abs(generated - truth)[hole].max() > 0.09
    assert np.abs(matched - truth)[hole].max() < 0.01


def test_correct_colors_are_not_changed():
    rng = np.random.default_rng(0)
    picture = jnp.asarray(rng.random((1, H, W, 3)), jnp.float32)
    known = jnp.ones((1, H, W)).at[:, :, 30:].set(0)
    matched = match_colors(picture, picture * known[..., None], known)
    np.testing.assert_allclose(matched, picture, atol=1e-6)


def test_without_known_pixels_colors_are_not_changed():
    picture = jnp.full((1, H, W, 3), 0.5)
    unknown = jnp.zeros((1, H, W))
    np.testing.assert_array_equal(match_colors(picture, 0 * picture, unknown), picture)

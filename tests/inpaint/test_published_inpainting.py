"""The published recipe of the diffusion fill against a reference in torch.

The reference is tests/references/published_inpainting.py. The networks are small, with
random, converted weights. The film has three windows, of which the last starts earlier
and is shorter; pictures are cropped to 256x384 and have four tiles.

Each window starts from the reference's 8-bit frames of the previous window, so that
errors do not accumulate. If it started from our frames, 15 of 300,000 samples that
differ by one level would become 1,000 in the next window, because rounding to 8 bits
turns a difference of 1e-7 into a difference of 1/255.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import published_inpainting
import pytest
import svd_reference as reference
import torch
from published_inpainting import Outcome, Parts

from stereojax.inpaint import diffusion as module
from stereojax.inpaint.conditioning import encode_window, latent_mask
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.inpaint_window import inpaint_window
from stereojax.inpaint.noise import frame_noise, shot_key
from stereojax.inpaint.published import PUBLISHED
from stereojax.inpaint.tiles import merge_tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.svd.clip import CLIPVisionConfig, CLIPVisionModelWithProjection
from stereojax.svd.networks import SVDNetworks
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder, VAEConfig
from stereojax.weights.abstract import abstract
from stereojax.windows import Window

FRAMES, HEIGHT, WIDTH = 8, 270, 401
CANVAS = 256, 384
SETTINGS = DiffusionSettings(
    steps=3,
    schedule="karras",
    guidance=1.01,
    window=4,
    overlap=1,
    tile_num=2,
    tile_sync="end",
)
CLIP = CLIPVisionConfig(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    image_size=56,
    projection_dim=32,
)
UNET = UNetConfig(
    in_channels=9,
    block_out_channels=(32, 64),
    layers_per_block=1,
    num_attention_heads=(2, 4),
    cross_attention_dim=CLIP.projection_dim,
    addition_time_embed_dim=32,
)
VAE = VAEConfig(block_out_channels=(32, 32, 32, 32), layers_per_block=1)
KEY = shot_key(3, 1)


@functools.cache
def torch_pipeline() -> Parts:
    torch.manual_seed(0)  # for the random biases
    unet = reference.unet(UNET.in_channels, UNET)
    vae = reference.vae(VAE)
    image_encoder = reference.clip(CLIP)
    with torch.no_grad():
        # Reduce the contrast, so that most samples are neither 0 nor 255.
        vae.decoder.conv_out.weight.mul_(0.5)
    return Parts(
        unet=unet,
        vae=vae,
        image_encoder=image_encoder,
        scheduler=lambda: reference.published(SETTINGS.steps),
        guidance=SETTINGS.guidance,
        window=SETTINGS.window,
        overlap=SETTINGS.overlap,
    )


@functools.cache
def film() -> tuple[np.ndarray, np.ndarray]:
    """Returns splatted views and masks as 8-bit video, with wide and narrow holes.

    The right edges of the holes are soft: their mask is close to one half.
    """
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 40
    warped = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    mask = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for t in range(FRAMES):
        waves = np.stack([np.sin(a * x + b * y + t / 3) for a, b in COLORS], axis=-1)
        picture = 128 + 70 * waves + 20 * rng.normal(size=waves.shape)
        warped[t] = np.clip(picture, 1, 255)
        for _ in range(25):
            top, left = rng.integers(HEIGHT - 60), rng.integers(WIDTH - 60)
            high, wide = rng.integers(8, 60), rng.integers(2, 30)
            mask[t, top : top + high, left : left + wide] = 255
            mask[t, top : top + high, left + wide] = rng.integers(120, 136)
        warped[t][mask[t] == 255] = 0
    return warped, np.repeat(mask[..., None], 3, axis=-1)


COLORS = (1.0, 0.3), (0.2, 0.9), (-0.7, 0.5)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    def noise(first: int, frames: int) -> np.ndarray:
        return np.asarray(frame_noise(KEY, first, frames, (32, 48, 4)))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads wait for each other on a busy machine
    windows = list(published_inpainting.inpaint(torch_pipeline(), *film(), noise))
    torch.set_num_threads(threads)
    return windows


class RecordingDiffusion(Diffusion):
    """Records the latents of the last window."""

    def latents(self, *args, **settings):
        self.last_latents = super().latents(*args, **settings)
        return self.last_latents


@pytest.fixture(scope="module")
def fill() -> RecordingDiffusion:
    parts = torch_pipeline()
    networks = SVDNetworks(
        _converted(UNetSpatioTemporalConditionModel, UNET, parts.unet),
        _converted(AutoencoderKLTemporalDecoder, VAE, parts.vae),
        _converted(CLIPVisionModelWithProjection, CLIP, parts.image_encoder),
    )
    return RecordingDiffusion(
        networks, SETTINGS, recipe=PUBLISHED, devices=jax.devices()[:1]
    )


def _converted(cls, config, torch_module):
    model = abstract(lambda rngs: cls(config, rngs=rngs))
    return reference.converted(model, torch_module)


def test_the_reference_has_the_published_windows_and_varied_pictures(outcomes):
    plan = [(w.start, w.stop, w.known) for w in outcomes]
    assert plan == [(0, 4, 0), (3, 7, 1), (5, 8, 2)]
    for window in outcomes:
        assert window.latents.std() > 0.1
        assert window.frames.std() > 15
        assert np.isin(window.frames, (0, 255)).mean() < 0.05


def test_windows_equal_the_reference(fill, outcomes):
    plan = tuple(Window(w.start, w.stop, w.known) for w in outcomes)
    assert fill.plan.windows(FRAMES) == plan


@pytest.mark.parametrize("index", range(3))
def test_the_frames_of_a_window_equal_the_reference(fill, outcomes, index):
    window, (warped, mask) = outcomes[index], film()
    frames = slice(window.start, window.stop)
    right = inpaint_window(
        fill,
        fill.plan.windows(FRAMES)[index],
        np.float32(warped[frames]) / 255,
        np.float32(mask[frames, ..., 0]) / 255,
        window.shown[: window.known],
        KEY,
        dilate=1.0,
        feather=4.0,
    )
    assert reference.error(fill.last_latents, window.latents) < 1e-4
    assert right.shape == warped[frames].shape  # not cropped
    np.testing.assert_array_equal(right[: window.known], window.shown[: window.known])
    new = right[window.known :, : CANVAS[0], : CANVAS[1]]
    difference = np.abs(new.astype(int) - window.frames[window.known :])
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3


def changed_conditioning(change: Callable) -> Callable:
    """Returns `conditioning` with its arguments passed through `change`."""
    unchanged = module.conditioning

    def changed(latents, mask, context, **settings):
        arguments = change({"latents": latents, "mask": mask} | settings)
        return unchanged(context=context, **arguments)

    return changed


def merge_with_symmetric_ramps(pieces, tiles, active, fallback):
    """Merges tiles with ramps that do not begin with 0."""
    return merge_tiles(pieces, tiles, active, jnp.zeros_like(fallback))


def encode_with_last_embedding(vae, image_encoder, pictures):
    """Returns the latents, and the embedding of the last frame."""
    latents, _ = encode_window(vae, image_encoder, pictures)
    return latents, encode_window(vae, image_encoder, pictures[::-1])[1]


# Deliberate errors: (name of a function of diffusion.py or of a field of the recipe,
# function that returns a wrong value for it).
ERRORS = {
    "the ramps": ("recipe.merge_tiles", lambda: merge_with_symmetric_ramps),
    "the mask's pooling": ("recipe.pooling", lambda: "max"),
    "the crop": (
        "_fit",
        lambda: lambda x, canvas: x[:, -canvas[0] :, -canvas[1] :],
    ),
    "the mask's threshold": (
        "latent_mask",
        lambda: lambda occlusion, *rest: latent_mask(0.9 * occlusion, *rest),
    ),
    "the mask of known frames": (
        "conditioning",
        lambda: changed_conditioning(
            lambda x: x | {"known": x["known"].at[:, 0].set(True)}
        ),
    ),
    "the known frames by our recipe": ("recipe.marks_known_frames", lambda: True),
    "the scale of the latents": (
        "conditioning",
        lambda: changed_conditioning(lambda x: x | {"latents": 0.9 * x["latents"]}),
    ),
    "the frame of the embedding": ("encode_window", lambda: encode_with_last_embedding),
}


@pytest.mark.parametrize("error", ERRORS)
def test_each_deliberate_error_is_detected(fill, outcomes, error, monkeypatch):
    name, wrong = ERRORS[error]
    if name.startswith("recipe."):
        change = {name.removeprefix("recipe."): wrong()}
        monkeypatch.setattr(fill, "recipe", dataclasses.replace(PUBLISHED, **change))
    else:
        monkeypatch.setattr(module, name, wrong())
    window = outcomes[-1]
    frames = window.stop - window.start
    latents = fill.latents(
        jnp.float32(window.shown) / 255,
        jnp.float32(film()[1][window.start : window.stop, ..., 0]) / 255,
        frame_noise(KEY, window.start, frames, fill.plan.latent_shape(HEIGHT, WIDTH)),
        known=window.known,
    )
    assert reference.error(latents, window.latents) > 1e-3

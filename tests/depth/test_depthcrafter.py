"""DepthCrafter's pipeline against the published one with diffusers' networks."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
import transformers
from diffusers.pipelines.stable_video_diffusion import (
    pipeline_stable_video_diffusion as pipeline,
)
from svd_reference import UNET, VAE, converted, noise

from convert_weights.svd import IMAGE_ENCODER
from stereojax.cli import InputError
from stereojax.depth import depthcrafter
from stereojax.depth.depthcrafter import (
    DepthCrafter,
    Sampling,
    picture_size,
)
from stereojax.depth.depthcrafter_noise import Noise
from stereojax.depth.estimator import Estimator, ResumableEstimator
from stereojax.svd.clip import CLIPVisionConfig, CLIPVisionModelWithProjection
from stereojax.svd.networks import SVDNetworks
from stereojax.svd.scheduler import initial_scale
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder
from stereojax.weights.abstract import abstract

SIZE = (32, 48)
CLIP = dataclasses.replace(reference.CLIP, projection_dim=UNET.cross_attention_dim)
SAMPLING = Sampling(steps=2, guidance=1.2, window=4, overlap=2)


@functools.cache
def theirs_clip():
    config = transformers.CLIPVisionConfig(
        **dataclasses.asdict(CLIP), hidden_act="gelu"
    )
    return reference.randomized(transformers.CLIPVisionModelWithProjection(config))


@pytest.fixture(scope="module")
def networks():
    def make(cls, config, module, *table):
        return converted(abstract(lambda rngs: cls(config, rngs=rngs)), module, *table)

    return SVDNetworks(
        make(
            UNetSpatioTemporalConditionModel,
            UNetConfig(**{**vars(UNET), "in_channels": 8}),
            reference.unet(8),
        ),
        make(AutoencoderKLTemporalDecoder, VAE, reference.vae()),
        make(
            CLIPVisionModelWithProjection,
            CLIPVisionConfig(**vars(CLIP)),
            theirs_clip(),
            IMAGE_ENCODER,
        ),
    )


class PerFrame(torch.Tensor):
    """A context with one entry per frame, which is not repeated over the frames."""

    @staticmethod
    def __new__(cls, context):
        return context.as_subclass(cls)

    def repeat_interleave(self, *args, **more):
        return self.as_subclass(torch.Tensor)


class FixedNoise(Noise):
    """Noise that both pipelines share."""

    def __init__(self):
        self.of_pixels = noise(16, 3, *SIZE, seed=5)
        self.of_latents = noise(16, 4, SIZE[0] // 4, SIZE[1] // 4, seed=6)

    def pixels(self, frame, shape):
        return jnp.asarray(self.of_pixels[frame].movedim(0, -1).numpy())

    def latents(self, frames, shape):
        return jnp.asarray(self.of_latents[:frames].movedim(1, -1).numpy())


def film(count, size=SIZE):
    rng = np.random.default_rng(0)
    slow = rng.uniform(0, 1, (3, 1, 1, 3)) * np.linspace(0, 1, size[1])[:, None]
    frames = [slow[i % 3] * 120 + rng.uniform(0, 120, (*size, 3)) for i in range(count)]
    return [frame.astype(np.uint8) for frame in frames]


@torch.no_grad()
def published(frames, sampling, chunks):
    """Runs the published pipeline on all frames at once, with `FixedNoise`.

    Yields the depth for each of `chunks`, the number of frames decoded jointly.
    """
    fixed, unet, vae = FixedNoise(), reference.unet(8), reference.vae()
    count, window, overlap = len(frames), sampling.window, sampling.overlap
    if count <= window:
        window, overlap = count, 0
    video = torch.from_numpy(np.stack(frames)).movedim(-1, 1).float() / 255 * 2 - 1
    seen = pipeline._resize_with_antialiasing(video, (CLIP.image_size,) * 2)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    context = theirs_clip()(((seen + 1) / 2 - mean) / std).image_embeds
    video = video + 0.02 * fixed.of_pixels[:count]
    channels = vae.encode(video).latent_dist.mode()
    ids = torch.tensor([[7.0, 127.0, 0.02]])
    buffer = fixed.of_latents[:window] * initial_scale()

    def predict(x, time, channels, context):
        x = torch.cat([x, channels], dim=1)[None]
        return unet(x, time, PerFrame(context[:, None]), ids).sample[0]

    result = None
    for start in range(0, max(1, count - overlap), window - overlap):
        part = slice(start, min(start + window, count))
        x = buffer[: part.stop - start].clone()
        scheduler = reference.published(sampling.steps)
        if overlap:
            buffer = torch.cat([buffer[-overlap:], buffer[: window - overlap]])
        if result is not None:
            x[:overlap] = (
                result[-overlap:] + x[:overlap] / initial_scale() * scheduler.sigmas[0]
            )
        for time in scheduler.timesteps:
            scaled = scheduler.scale_model_input(x, time)
            v = predict(scaled, time, channels[part], context[part])
            if sampling.guidance > 1:
                no_channels = torch.zeros_like(channels[part])
                no_context = torch.zeros_like(context[part])
                unconditional = predict(scaled, time, no_channels, no_context)
                v = unconditional + sampling.guidance * (v - unconditional)
            x = scheduler.step(v, time, x).prev_sample
        if result is None:
            result = x
        else:
            weight = torch.linspace(0, 1, overlap)[:, None, None, None]
            result[-overlap:] = x[:overlap] * weight + result[-overlap:] * (1 - weight)
            result = torch.cat([result, x[overlap:]])
    for chunk in chunks:
        pictures = torch.cat(
            [
                vae.decode(part / 0.18215, num_frames=len(part)).sample
                for part in result.split(chunk)
            ]
        )
        # The pictures have contrast, and few of their values are clipped.
        assert pictures.std() >= 0.1
        assert (pictures.abs() < 1).float().mean() > 0.9
        yield (pictures * 0.5 + 0.5).clamp(0, 1).mean(dim=1).numpy()


@pytest.mark.parametrize(
    ("count", "guidance"), [(5, 1.2), (1, 1.0)], ids=["two windows", "one frame"]
)
def test_depth_matches_the_published_pipeline(networks, monkeypatch, count, guidance):
    monkeypatch.setattr(depthcrafter, "CHUNK", 3)
    sampling = dataclasses.replace(SAMPLING, guidance=guidance)
    model = DepthCrafter(networks, sampling, licence="x", noise=FixedNoise())
    expected, other = published(film(count), sampling, (3, 8))
    actual = np.stack(list(model.estimate(iter(film(count)))))
    assert actual.shape == expected.shape == (count, *SIZE)
    assert np.abs(actual - expected).max() / np.abs(expected).max() < 1e-4
    # Chunks are decoded independently, so their size matters.
    assert count == 1 or np.abs(actual - other).max() > 1e-3


def test_it_is_an_estimator_with_the_recommended_settings(networks):
    model = DepthCrafter(networks, SAMPLING, licence="x")
    assert isinstance(model, Estimator)
    assert not model.per_frame
    assert Sampling() == Sampling(5, 1.0, 110, 25, 1024)
    assert list(model.estimate(iter([]))) == []


def test_the_same_seed_gives_the_same_depth(networks):
    def estimate(seed):
        sampling = Sampling(steps=2, guidance=1.0, window=2, overlap=1, seed=seed)
        model = DepthCrafter(networks, sampling, licence="x")
        return np.stack(list(model.estimate(iter(film(3, (40, 60))))))

    first = estimate(1)
    assert first.shape == (3, 40, 64)  # each side is rounded to a multiple of 8
    np.testing.assert_array_equal(first, estimate(1))
    assert np.abs(first - estimate(2)).max() > 1e-3


class Recorder:
    """A state store that keeps every offered state, and loads `state`."""

    def __init__(self, state=None):
        self.state, self.offers = state, {}

    def load(self):
        return self.state

    def offer(self, done, state):
        self.offers[done] = state()


def test_a_stopped_shot_resumes_with_the_same_depth(networks, monkeypatch):
    monkeypatch.setattr(depthcrafter, "CHUNK", 2)
    sampling = Sampling(steps=2, guidance=1.0, window=2, overlap=1)
    model = DepthCrafter(networks, sampling, licence="x")
    assert isinstance(model, ResumableEstimator)
    video, store = film(5, (40, 60)), Recorder()
    uninterrupted = list(model.resume(lambda first: iter(video[first:]), store))
    assert len(uninterrupted) == 5
    assert list(store.offers) == [0, 2]  # later states with the same key replace it
    for done, state in store.offers.items():
        rest = list(model.resume(lambda first: iter(video[first:]), Recorder(state)))
        np.testing.assert_array_equal(rest, uninterrupted[done:])


def test_noise_of_a_frame_does_not_depend_on_the_length_of_the_shot():
    ours = Noise(3)
    few, many = (ours.latents(n, (2, 3, 4)) for n in (2, 5))
    np.testing.assert_array_equal(few, many[:2])
    assert np.std(many) == pytest.approx(1, abs=0.2)
    assert (ours.pixels(0, (2, 2, 3)) != ours.pixels(1, (2, 2, 3))).all()


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((1080, 1920), (576, 1024)),
        ((576, 1024), (576, 1024)),
        ((436, 1024), (448, 1024)),
        ((1920, 1080), (1024, 576)),
        ((480, 640), (512, 640)),  # 7.5 * 64 rounds to even
        ((20, 300), (64, 320)),
    ],
)
def test_sizes_follow_the_published_rule(picture, expected):
    assert picture_size(*picture) == expected


def test_a_wrong_network_and_a_wrong_overlap_are_errors(networks):
    unet = abstract(
        lambda rngs: UNetSpatioTemporalConditionModel(
            UNetConfig(**{**vars(UNET), "in_channels": 9}), rngs=rngs
        )
    )
    other = dataclasses.replace(networks, unet=unet)
    with pytest.raises(InputError, match="has 9 input channels, expected 8"):
        DepthCrafter(other, licence="x")
    with pytest.raises(InputError, match="depth_overlap=9: expected less than"):
        DepthCrafter(networks, Sampling(window=9, overlap=9), licence="x")

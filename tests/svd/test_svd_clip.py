"""CLIP against transformers, and its preprocessing against diffusers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from diffusers.pipelines.stable_video_diffusion import (
    pipeline_stable_video_diffusion as pipeline,
)
from flax import nnx
from svd_reference import (
    CLIP,
    converted,
    error,
    noise,
    run,
    to_jax,
    to_numpy,
    undetected,
)

from stereojax.svd.clip import SVD_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.clip_image import MEAN, STD, clip_pixels
from stereojax.weights.abstract import abstract

TOL = 1e-4


def make():
    model = abstract(lambda rngs: CLIPVisionModelWithProjection(CLIP, rngs=rngs))
    return converted(model, reference.clip())


def pixels() -> torch.Tensor:
    return noise(2, 3, CLIP.image_size, CLIP.image_size)


def expected() -> np.ndarray:
    with torch.no_grad():
        return to_numpy(reference.clip()(pixels()).image_embeds)


def test_embeddings_match_transformers():
    assert error(run(make(), to_jax(pixels())), expected()) < TOL


def test_one_wrong_weight_of_any_kind_is_detected():
    model, x, embeds = make(), to_jax(pixels()), expected()

    def outcome(path: tuple) -> float:
        return error(run(model, x), embeds)

    # The keys' bias adds the same to every score of a query, which softmax ignores.
    without_effect = ["vision_model.encoder.layers.#.self_attn.k_proj.bias"]
    assert undetected(model, outcome, at_least=24) == without_effect


def test_full_size():
    model = abstract(lambda rngs: CLIPVisionModelWithProjection(SVD_CLIP, rngs=rngs))
    arrays = jax.tree.leaves(nnx.state(model, nnx.Param))
    assert len(arrays) == 520
    assert sum(math.prod(x.shape) for x in arrays) == 632076800
    x = jax.ShapeDtypeStruct((2, 224, 224, 3), float)
    assert jax.eval_shape(run, model, x).shape == (2, 1024)


def test_a_picture_of_another_size_is_an_error():
    with pytest.raises(ValueError, match="28x30 must be 28x28"):
        jax.eval_shape(run, make(), jnp.zeros((1, 28, 30, 3)))


@pytest.mark.parametrize("size", [(576, 1024), (100, 90), (224, 500), (720, 1280)])
def test_the_resize_matches_diffusers(size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    resized = pipeline._resize_with_antialiasing(2 * x - 1, (224, 224))
    wanted = ((resized + 1) / 2).movedim(1, -1).numpy()
    wanted = (wanted - MEAN) / STD
    assert error(clip_pixels(to_jax(x)), wanted) < 1e-5
    # Without the blur, the difference is as large as the noise.
    plain = torch.nn.functional.interpolate(x, (224, 224), mode="bicubic")
    plain = (plain.movedim(1, -1).numpy() - MEAN) / STD
    assert error(clip_pixels(to_jax(x)), plain) > 0.02


def test_a_picture_too_small_to_blur_is_an_error():
    with pytest.raises(
        ValueError, match="1 pixels is too short for a blur kernel of 3"
    ):
        clip_pixels(jnp.zeros((1, 3, 1, 3)), 4)

"""The VAE against diffusers', through the converter; and its size."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from flax import nnx
from svd_reference import (
    VAE,
    converted,
    error,
    noise,
    ours,
    roles,
    silent,
    theirs,
)

from stereojax.svd.vae import SVD_VAE, AutoencoderKLTemporalDecoder, encode_frames
from stereojax.weights.abstract import abstract

B, T, H, W = 2, 3, 4, 6  # of the latents
TOL = 1e-4
encode = jax.jit(lambda model, x: model.encode(x))
decode = jax.jit(lambda model, x: model.decode(x))


def make():
    model = abstract(lambda rngs: AutoencoderKLTemporalDecoder(VAE, rngs=rngs))
    return converted(model, reference.vae())


def frames() -> torch.Tensor:
    return noise(B, T, 3, VAE.factor * H, VAE.factor * W).clamp(-1, 1)


def latents() -> torch.Tensor:
    return noise(B, T, 4, H, W)


def encoded() -> np.ndarray:
    with torch.no_grad():
        mode = reference.vae().encode(frames().flatten(0, 1)).latent_dist.mode()
    return theirs(mode.unflatten(0, (B, T)))


def decoded() -> np.ndarray:
    with torch.no_grad():
        out = reference.vae().decode(latents().flatten(0, 1), num_frames=T).sample
    return theirs(out.unflatten(0, (B, T)))


def test_it_encodes_as_diffusers_does():
    assert error(encode(make(), ours(frames())), encoded()) < TOL


def test_frames_are_encoded_one_by_one():
    model, x = make(), ours(frames())
    assert error(encode_frames(model, x[1]), encoded()[1]) < TOL
    one, many = (
        encode_frames.lower(model, x[1, :1].repeat(t, axis=0)).compile()
        for t in (4, 16)
    )
    memory = [c.memory_analysis().temp_size_in_bytes for c in (one, many)]
    assert memory[1] < 1.1 * memory[0]


def test_the_encoder_is_float32_whatever_the_decoder_is():
    half = abstract(
        lambda rngs: AutoencoderKLTemporalDecoder(
            VAE, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16, rngs=rngs
        )
    )
    half = converted(half, reference.vae())
    pictures = ours(frames())
    np.testing.assert_array_equal(encode(half, pictures), encode(make(), pictures))
    decoded = decode(half, ours(latents())), decode(make(), ours(latents()))
    assert np.abs(decoded[0] - decoded[1]).max() > 1e-4


def test_it_decodes_as_diffusers_does():
    assert error(decode(make(), ours(latents())), decoded()) < TOL


def test_one_wrong_weight_of_any_kind_shows():
    model, x, z = make(), ours(frames()), ours(latents())
    wanted_latents, wanted_frames = encoded(), decoded()

    def outcome(path: tuple) -> float:
        if path[0] == "decoder":
            return error(decode(model, z), wanted_frames)
        return error(encode(model, x), wanted_latents)

    # A shift of all keys adds the same to every score of a query.
    keys = [name for name in roles(model) if name.endswith("to_k.bias")]
    assert len(keys) == 2
    assert silent(model, outcome, at_least=80) == keys


def test_full_size():
    model = abstract(lambda rngs: AutoencoderKLTemporalDecoder(SVD_VAE, rngs=rngs))
    arrays = jax.tree.leaves(nnx.state(model, nnx.Param))
    assert len(arrays) == 374
    assert sum(math.prod(x.shape) for x in arrays) == 97742847
    frames = jax.ShapeDtypeStruct((1, 2, 576, 1024, 3), float)
    latents = jax.eval_shape(encode, model, frames)
    assert latents.shape == (1, 2, 72, 128, 4)
    assert jax.eval_shape(decode, model, latents).shape == frames.shape


def test_a_size_it_cannot_encode_is_said():
    model = abstract(lambda rngs: AutoencoderKLTemporalDecoder(VAE, rngs=rngs))
    x = jax.ShapeDtypeStruct((1, 1, 30, 32, 3), np.float32)
    with pytest.raises(ValueError, match="30x32 must be multiples of 4"):
        jax.eval_shape(encode, model, x)

"""The VAE against diffusers' VAE, through the converter; and the published size."""

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
    roles,
    to_jax,
    to_numpy,
    undetected,
)

from stereojax.svd.vae import SVD_VAE, AutoencoderKLTemporalDecoder, encode_frames
from stereojax.weights.abstract import abstract

B, T, H, W = 2, 3, 4, 6  # shape of the latents
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
    return to_numpy(mode.unflatten(0, (B, T)))


def decoded() -> np.ndarray:
    with torch.no_grad():
        out = reference.vae().decode(latents().flatten(0, 1), num_frames=T).sample
    return to_numpy(out.unflatten(0, (B, T)))


def test_encoding_matches_diffusers():
    assert error(encode(make(), to_jax(frames())), encoded()) < TOL


def test_encoding_memory_does_not_grow_with_the_number_of_frames():
    model, x = make(), to_jax(frames())
    assert error(encode_frames(model, x[1]), encoded()[1]) < TOL
    programs = (
        encode_frames.lower(model, x[1, :1].repeat(t, axis=0)).compile()
        for t in (4, 16)
    )
    memory = [p.memory_analysis().temp_size_in_bytes for p in programs]
    assert memory[1] < 1.1 * memory[0]


def test_in_bfloat16_only_the_decoder_has_lower_precision():
    half = abstract(
        lambda rngs: AutoencoderKLTemporalDecoder(
            VAE, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16, rngs=rngs
        )
    )
    half = converted(half, reference.vae())
    pictures = to_jax(frames())
    np.testing.assert_array_equal(encode(half, pictures), encode(make(), pictures))
    decoded = decode(half, to_jax(latents())), decode(make(), to_jax(latents()))
    assert np.abs(decoded[0] - decoded[1]).max() > 1e-4


def test_decoding_matches_diffusers():
    assert error(decode(make(), to_jax(latents())), decoded()) < TOL


def test_one_wrong_weight_of_any_kind_is_detected():
    model, x, z = make(), to_jax(frames()), to_jax(latents())
    wanted_latents, wanted_frames = encoded(), decoded()

    def outcome(path: tuple) -> float:
        if path[0] == "decoder":
            return error(decode(model, z), wanted_frames)
        return error(encode(model, x), wanted_latents)

    # The bias of the keys adds a constant to all scores of a query; softmax ignores it.
    no_effect = [name for name in roles(model) if name.endswith("to_k.bias")]
    assert len(no_effect) == 2
    assert undetected(model, outcome, at_least=80) == no_effect


def test_published_parameter_count_and_shapes():
    model = abstract(lambda rngs: AutoencoderKLTemporalDecoder(SVD_VAE, rngs=rngs))
    arrays = jax.tree.leaves(nnx.state(model, nnx.Param))
    assert len(arrays) == 374
    assert sum(math.prod(x.shape) for x in arrays) == 97742847
    frames = jax.ShapeDtypeStruct((1, 2, 576, 1024, 3), float)
    latents = jax.eval_shape(encode, model, frames)
    assert latents.shape == (1, 2, 72, 128, 4)
    assert jax.eval_shape(decode, model, latents).shape == frames.shape


def test_an_invalid_size_is_an_error():
    model = abstract(lambda rngs: AutoencoderKLTemporalDecoder(VAE, rngs=rngs))
    x = jax.ShapeDtypeStruct((1, 1, 30, 32, 3), np.float32)
    with pytest.raises(ValueError, match="30x32 must be multiples of 4"):
        jax.eval_shape(encode, model, x)

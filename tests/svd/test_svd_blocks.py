"""Layers and blocks against diffusers', to 1e-5: batch 2, 3 non-square frames."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import Timesteps
from diffusers.models.resnet import Downsample2D as TorchDownsample
from diffusers.models.resnet import SpatioTemporalResBlock as TorchResBlock
from diffusers.models.transformers.transformer_temporal import (
    TransformerSpatioTemporalModel as TorchTransformer,
)
from flax import nnx
from svd_reference import converted, error, noise, randomized, run, to_jax, to_numpy

from stereojax.svd.layers import (
    AlphaBlender,
    Compute,
    Downsample2D,
    GroupNorm,
    sinusoids,
)
from stereojax.svd.resnet import SpatioTemporalResBlock
from stereojax.svd.transformer import TransformerSpatioTemporalModel
from stereojax.svd.vae_encoder import FrameSelfAttention

B, T, H, W = 2, 3, 6, 10
MORE = {"compute": Compute(), "rngs": nnx.Rngs(0)}
ZEROS = torch.zeros(B, T)  # image_only_indicator: all frames belong to a video


def over_frames(module, x, *args, **more):
    """Runs a torch module that takes the frames as part of the batch."""
    out = module(x.flatten(0, 1), *args, **more)
    out = out[0] if isinstance(out, tuple) else out
    return out.unflatten(0, x.shape[:2])


@pytest.mark.parametrize(
    ("features_in", "time_features", "epsilon"),
    [(32, 48, 1e-5), (96, 48, 1e-6), (96, None, 1e-6)],
    ids=["unet", "unet wider input", "vae"],
)
def test_residual_block(features_in, time_features, epsilon):
    vae = {
        "temporal_eps": 1e-5,
        "merge_factor": 0.0,
        "merge_strategy": "learned",
        "switch_spatial_to_temporal_mix": True,
    }
    module = randomized(
        TorchResBlock(
            features_in,
            64,
            temb_channels=time_features,
            eps=epsilon,
            **({} if time_features else vae),
        )
    )
    model = converted(
        SpatioTemporalResBlock(
            features_in, 64, time_features=time_features, epsilon=epsilon, **MORE
        ),
        module,
    )
    # Small values, for which the epsilons of the norms matter.
    x = noise(B, T, features_in, H, W) * 4e-3
    temb = noise(B, time_features) if time_features else None
    frames = None if temb is None else temb.repeat_interleave(T, dim=0)
    expected = to_numpy(over_frames(module, x, frames, ZEROS))
    out = run(model, to_jax(x), None if temb is None else to_jax(temb))
    assert error(out, expected) < 1e-5


@pytest.mark.parametrize("contexts", [1, T], ids=["per window", "per frame"])
def test_transformer(contexts):
    module = randomized(TorchTransformer(4, 16, in_channels=64, cross_attention_dim=24))
    model = converted(
        TransformerSpatioTemporalModel(64, heads=4, context_features=24, **MORE), module
    )
    x, context = noise(B, T, 64, H, W), noise(B, contexts, 24, seed=1)
    every = context.expand(B, T, 24).flatten(0, 1)[:, None]
    expected = to_numpy(over_frames(module, x, every, ZEROS, return_dict=False))
    assert error(run(model, to_jax(x), to_jax(context)), expected) < 1e-5


def test_vae_attention():
    module = randomized(
        Attention(
            64,
            heads=1,
            dim_head=64,
            eps=1e-6,
            norm_num_groups=32,
            bias=True,
            residual_connection=True,
        )
    )
    model = converted(FrameSelfAttention(64, **MORE), module)
    x = noise(B, T, 64, H, W)
    expected = to_numpy(over_frames(module, x))
    assert error(run(model, to_jax(x)), expected) < 1e-5


@pytest.mark.parametrize(
    ("pad", "torch_padding"), [((1, 1), 1), ((0, 1), 0)], ids=["unet", "vae"]
)
def test_downsampling_pads_as_diffusers_does(pad, torch_padding):
    module = randomized(
        TorchDownsample(32, use_conv=True, padding=torch_padding, name="op")
    )
    model = converted(Downsample2D(32, pad=pad, **MORE), module)
    x = noise(B, T, 32, H, W)
    expected = to_numpy(over_frames(module, x))
    assert error(run(model, to_jax(x)), expected) < 1e-5


def test_sinusoids_have_cosines_first():
    values = torch.tensor([0.0, 1.0, 24.0, 127.0, -1.553652, 1.63777])
    expected = Timesteps(64, True, 0)(values)
    assert error(sinusoids(to_jax(values), 64), to_numpy(expected)) < 1e-5


@pytest.mark.parametrize("over", ["frame", "frames"])
def test_group_norm_reduces_over_a_frame_or_all_frames(over):
    module = randomized(torch.nn.GroupNorm(32, 64, eps=1e-5))
    model = converted(GroupNorm(64, epsilon=1e-5, over=over, **MORE), module)
    x = noise(B, T, 64, H, W) * torch.tensor([0.1, 1, 5])[:, None, None, None] + 3
    expected = (
        over_frames(module, x)
        if over == "frame"
        else module(x.movedim(1, 2)).movedim(2, 1)
    )
    assert error(run(model, to_jax(x)), to_numpy(expected)) < 1e-5


@pytest.mark.parametrize(
    ("switched", "expected"), [(False, 0.25), (True, 0.75)], ids=["unet", "vae"]
)
def test_the_mixing_factor_weights_the_right_side(switched, expected):
    mixer = AlphaBlender(initial=0.0, switched=switched, compute=Compute())
    mixer.mix_factor[...] = jnp.log(jnp.full((1,), 0.25 / 0.75))
    spatial, temporal = jnp.ones(3), jnp.zeros(3)
    np.testing.assert_allclose(mixer(spatial, temporal), expected, atol=1e-6)

"""The objective: algebra, random draws, and gradients compared with PyTorch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from flax import nnx
from svd_reference import UNET, converted, noise

from convert_weights.torch_layout import torch_layouts
from stereojax.svd.denoise import Conditioning
from stereojax.svd.scheduler import denoised
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.training import inpaint_task
from stereojax.training.objective import draw_sigma, v_error, v_target
from stereojax.training.state import split_trainable
from stereojax.weights.abstract import abstract
from stereojax.weights.structure import split

B, T, H, W = 2, 3, 6, 10


def test_the_sampler_recovers_clean_latents_from_v():
    clean, eps = (jnp.asarray(noise(2, 5, seed=s).numpy()) for s in (0, 1))
    for sigma in (0.05, 1.0, 40.0):
        level = jnp.float32(sigma)
        v = v_target(clean, eps, level)
        result = denoised(v, clean + level * eps, level)
        np.testing.assert_allclose(result, clean, atol=2e-4)


def test_noise_levels_are_log_normal():
    keys = jax.random.split(jax.random.key(0), 20000)
    drawn = jax.vmap(lambda key: draw_sigma(key, 0.7, 1.6))(keys)
    assert abs(jnp.log(drawn).mean() - 0.7) < 0.05
    assert abs(jnp.log(drawn).std() - 1.6) < 0.05


@functools.cache
def gradients() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float, float]:
    """Returns (JAX gradients, PyTorch gradients, JAX loss, PyTorch loss)."""
    module = reference.unet(9)
    clean = 0.5 * noise(B, T, 4, H, W, seed=3)
    eps, channels = noise(B, T, 4, H, W, seed=4), noise(B, T, 5, H, W, seed=5)
    context = noise(B, 1, UNET.cross_attention_dim, seed=6)
    sigma = torch.tensor([0.4, 5.0])
    ids = torch.tensor([[6.0, 127.0, 0.0]] * B)

    level = sigma[:, None, None, None, None]
    noisy = clean + level * eps
    sample = torch.cat([noisy / (level**2 + 1).sqrt(), channels], dim=2)
    v = module(sample, 0.25 * sigma.log(), context, ids).sample
    # EDM's loss as published: the weighted error of the denoised latents.
    result = noisy / (level**2 + 1) - v * level / (level**2 + 1).sqrt()
    weight = (level**2 + 1) / level**2
    loss = (weight * (result - clean) ** 2).mean()
    module.zero_grad()
    loss.backward()
    torch_grads = {n: p.grad.numpy().copy() for n, p in module.named_parameters()}
    module.zero_grad()

    config = UNetConfig(**{**vars(UNET), "in_channels": 9})
    model = converted(
        abstract(lambda rngs: UNetSpatioTemporalConditionModel(config, rngs=rngs)),
        module,
    )
    structure, arrays = split(model)
    names = {f"unet.{name}": name for name in arrays}
    trainable, frozen = split_trainable(
        {n: arrays[names[n]] for n in names}, inpaint_task.TRAINABLE
    )
    condition = Conditioning(
        *(reference.to_jax(x) for x in (channels, context)), jnp.asarray(ids.numpy())
    )

    @jax.jit
    @jax.value_and_grad
    def value(trainable: dict) -> jax.Array:
        arrays = {names[n]: x for n, x in (trainable | frozen).items()}
        error, _ = v_error(
            structure.model(arrays),
            reference.to_jax(clean),
            reference.to_jax(eps),
            condition,
            jnp.asarray(sigma.numpy()),
        )
        return error.mean()

    jax_loss, grads = value(trainable)
    torch_names = {".".join(map(str, x.path)): x for x in torch_layouts(model)}
    jax_grads = {}
    for name, grad in grads.items():
        leaf = torch_names[names[name]]
        jax_grads[leaf.name] = leaf.to_torch(np.asarray(grad))
    return jax_grads, torch_grads, float(jax_loss), loss.item()


def test_the_loss_equals_edms():
    *_, jax_loss, torch_loss = gradients()
    assert abs(jax_loss - torch_loss) < 1e-5 * torch_loss


def test_gradients_equal_pytorchs():
    jax_grads, torch_grads, *_ = gradients()
    largest = max(np.abs(g).max() for g in torch_grads.values())
    nonzero = 0
    for name, grad in jax_grads.items():
        expected = torch_grads[name]
        assert grad.shape == expected.shape
        # A single context token gives some weights a gradient of zero; PyTorch's is a
        # rounding error.
        scale = max(np.abs(expected).max(), 1e-5 * largest)
        nonzero += np.abs(expected).max() > 1e-5 * largest
        assert np.abs(grad - expected).max() <= 1e-3 * scale, name
    assert nonzero > 100


@pytest.mark.parametrize("part", ["temporal_res_block", "time_mixer"])
def test_frozen_parameters_have_no_gradient(part):
    jax_grads, torch_grads, *_ = gradients()
    assert not [name for name in jax_grads if part in name]
    assert [name for name in torch_grads if part in name]


def test_dropout_and_known_frames_have_their_probabilities():
    from tiny_training import SETTINGS

    settings = SETTINGS.__class__(
        **{**vars(SETTINGS), "frames": 6, "known_frames": 3}
        | {"clip_dropout": 0.1, "latent_dropout": 0.2, "both_dropout": 0.3}
    )
    keys = jax.random.split(jax.random.key(1), 20000)
    drawn = jax.vmap(functools.partial(inpaint_task._draw, settings))(keys)
    context, latents = drawn["keep_context"] == 0, drawn["keep_latents"] == 0
    for share, expected in (
        ((context & ~latents).mean(), 0.1),
        ((latents & ~context).mean(), 0.2),
        ((context & latents).mean(), 0.3),
    ):
        assert abs(share - expected) < 0.02
    counts = np.bincount(np.asarray(drawn["known"]), minlength=4) / len(keys)
    np.testing.assert_allclose(counts, [0.25] * 4, atol=0.02)


def test_a_split_model_is_rebuilt_from_changed_arrays():
    model = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    structure, arrays = split(model)
    rebuilt = structure.model({n: x + 1 for n, x in arrays.items()})
    np.testing.assert_allclose(rebuilt.kernel[...], model.kernel[...] + 1)

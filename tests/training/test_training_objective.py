"""The objective: its algebra, its draws, and its gradients beside PyTorch's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from flax import nnx
from svd_reference import UNET, converted, noise

from convert_weights.torch_layout import leaves
from stereojax.svd.denoise import Conditioning
from stereojax.svd.scheduler import denoised
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.training import inpaint_task
from stereojax.training.objective import draw_sigma, v_error, v_target
from stereojax.training.state import split_trainable
from stereojax.weights.abstract import abstract
from stereojax.weights.structure import split

B, T, H, W = 2, 3, 6, 10


def test_v_is_what_the_sampler_takes_it_for():
    clean, given = (jnp.asarray(noise(2, 5, seed=s).numpy()) for s in (0, 1))
    for sigma in (0.05, 1.0, 40.0):
        level = jnp.float32(sigma)
        v = v_target(clean, given, level)
        found = denoised(v, clean + level * given, level)
        np.testing.assert_allclose(found, clean, atol=2e-4)


def test_noise_levels_are_log_normal():
    keys = jax.random.split(jax.random.key(0), 20000)
    drawn = jax.vmap(lambda key: draw_sigma(key, 0.7, 1.6))(keys)
    assert abs(jnp.log(drawn).mean() - 0.7) < 0.05
    assert abs(jnp.log(drawn).std() - 1.6) < 0.05


@functools.cache
def gradients() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float, float]:
    """(ours by torch's names, torch's, our loss, torch's): one model, one draw."""
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
    # EDM's loss as it is written: the error of the clean latents, weighted.
    found = noisy / (level**2 + 1) - v * level / (level**2 + 1).sqrt()
    weight = (level**2 + 1) / level**2
    loss = (weight * (found - clean) ** 2).mean()
    module.zero_grad()
    loss.backward()
    theirs = {n: p.grad.numpy().copy() for n, p in module.named_parameters()}
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
    given = Conditioning(
        *(reference.ours(x) for x in (channels, context)), jnp.asarray(ids.numpy())
    )

    @jax.jit
    @jax.value_and_grad
    def value(trainable: dict) -> jax.Array:
        whole = {names[n]: x for n, x in (trainable | frozen).items()}
        error, _ = v_error(
            structure.model(whole),
            reference.ours(clean),
            reference.ours(eps),
            given,
            jnp.asarray(sigma.numpy()),
        )
        return error.mean()

    ours_loss, slopes = value(trainable)
    torch_names = {".".join(map(str, leaf.path)): leaf for leaf in leaves(model)}
    ours = {}
    for name, slope in slopes.items():
        leaf = torch_names[names[name]]
        ours[leaf.name] = leaf.to_torch(np.asarray(slope))
    return ours, theirs, float(ours_loss), loss.item()


def test_the_loss_is_edms():
    *_, ours, theirs = gradients()
    assert abs(ours - theirs) < 1e-5 * theirs


def test_gradients_are_pytorchs():
    ours, theirs, *_ = gradients()
    largest = max(np.abs(g).max() for g in theirs.values())
    alive = 0
    for name, slope in ours.items():
        wanted = theirs[name]
        assert slope.shape == wanted.shape
        # Torch computes what one context token makes inert: a zero, but for rounding.
        scale = max(np.abs(wanted).max(), 1e-5 * largest)
        alive += np.abs(wanted).max() > 1e-5 * largest
        assert np.abs(slope - wanted).max() <= 1e-3 * scale, name
    assert alive > 100


@pytest.mark.parametrize("part", ["temporal_res_block", "time_mixer"])
def test_frozen_parameters_have_no_gradient_here_though_torch_has(part):
    ours, theirs, *_ = gradients()
    assert not [name for name in ours if part in name]
    assert [name for name in theirs if part in name]


def test_what_is_dropped_and_known_has_its_shares():
    from tiny_training import SETTINGS

    settings = SETTINGS.__class__(
        **{**vars(SETTINGS), "frames": 6, "known_frames": 3}
        | {"clip_dropout": 0.1, "latent_dropout": 0.2, "both_dropout": 0.3}
    )
    keys = jax.random.split(jax.random.key(1), 20000)
    drawn = jax.vmap(functools.partial(inpaint_task._draw, settings))(keys)
    context, latents = drawn["keep_context"] == 0, drawn["keep_latents"] == 0
    for share, wanted in (
        ((context & ~latents).mean(), 0.1),
        ((latents & ~context).mean(), 0.2),
        ((context & latents).mean(), 0.3),
    ):
        assert abs(share - wanted) < 0.02
    counts = np.bincount(np.asarray(drawn["known"]), minlength=4) / len(keys)
    np.testing.assert_allclose(counts, [0.25] * 4, atol=0.02)


def test_nnx_is_what_names_parameters():
    model = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    structure, arrays = split(model)
    again = structure.model({n: x + 1 for n, x in arrays.items()})
    np.testing.assert_allclose(again.kernel[...], model.kernel[...] + 1)

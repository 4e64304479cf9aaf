"""Denoising one window against diffusers' U-Net and scheduler, step by step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from jax.extend.core import jaxprs_in_params
from svd_reference import UNET, converted, error, noise, published, to_jax, to_numpy

from stereojax.svd import denoise as module
from stereojax.svd.denoise import Conditioning, denoise
from stereojax.svd.scheduler import initial_scale, schedule
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.weights.abstract import abstract

B, T, H, W = 2, 3, 4, 6
STEPS = 4


@pytest.fixture(scope="module")
def unet():
    config = UNetConfig(**{**vars(UNET), "in_channels": 9})
    model = abstract(lambda rngs: UNetSpatioTemporalConditionModel(config, rngs=rngs))
    return converted(model, reference.unet(9))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Pull:
    """A substitute for the blending of tiles: moves tile 0 towards tile 1."""

    share: float = dataclasses.field(metadata={"static": True})

    def __call__(self, x, sigma):
        pulled = (1 - self.share) * x[0] + self.share * x[1] + 1e-3 * sigma
        return x.at[0].set(pulled)


def inputs() -> tuple[torch.Tensor, ...]:
    return (
        noise(B, T, 4, H, W) * initial_scale(),
        noise(B, T, 5, H, W, seed=1),
        noise(B, 1, UNET.cross_attention_dim, seed=2),
        torch.tensor([[6.0, 127.0, 0.0]]).repeat(B, 1),
    )


def start() -> tuple[jax.Array, Conditioning]:
    latents, *conditioning = map(to_jax, inputs())
    return latents, Conditioning(*conditioning)


def expected(guidance: float, pull: float) -> np.ndarray:
    """Latents of the published loop: both passes of guidance as one batch."""
    latents, channels, context, ids = inputs()
    scheduler = published(STEPS)
    for i, time in enumerate(scheduler.timesteps):
        x = torch.cat([scheduler.scale_model_input(latents, time), channels], dim=2)
        unconditioned = x.clone()
        unconditioned[:, :, 4:] = 0
        with torch.no_grad():
            unconditional, v = (
                reference.unet(9)(
                    torch.cat([unconditioned, x]),
                    time,
                    torch.cat([torch.zeros_like(context), context]),
                    torch.cat([ids, ids]),
                ).sample
            ).chunk(2)
        v = unconditional + guidance * (v - unconditional)
        latents = scheduler.step(v, time, latents).prev_sample
        if pull:
            latents[0] = (1 - pull) * latents[0] + pull * latents[1]
            latents[0] += 1e-3 * scheduler.sigmas[i + 1]
    return to_numpy(latents)


@pytest.mark.parametrize(("guidance", "pull"), [(1.0, 0.0), (1.4, 0.25)])
def test_denoising_matches_the_published_loop(unet, guidance, pull):
    latents, conditioning = start()
    sigmas = schedule("karras", STEPS)
    out = denoise(
        unet,
        latents,
        conditioning,
        sigmas,
        guidance=guidance,
        after_step=Pull(pull) if pull else None,
    )
    assert out.dtype == jnp.float32
    assert error(out, expected(guidance, pull)) < 1e-4
    assert error(out, expected(guidance + 0.1, pull)) > 1e-3
    assert latents.is_deleted()  # donated


def test_windows_of_one_shape_compile_once(unet):
    sigmas = schedule("karras", STEPS)
    denoise(unet, *start(), sigmas)
    before = module._run._cache_size()
    latents, conditioning = start()
    denoise(unet, latents * 2, conditioning, sigmas * 0.9)
    assert module._run._cache_size() == before


def test_guidance_1_takes_one_pass_and_others_two_in_sequence(unet):
    latents, conditioning = start()

    def calls(guidance) -> list[int]:
        jaxpr = jax.make_jaxpr(
            lambda m: module._run(
                m, latents, conditioning, jnp.ones(STEPS + 1), guidance, None
            )
        )(unet)
        return list(scans(jaxpr.jaxpr))

    unguided, guided = calls(None), calls(jnp.float32(2))
    assert STEPS in unguided
    assert sorted(guided) == sorted([*unguided, 2])


def scans(jaxpr):
    """Lengths of the loops that contain convolutions."""
    for equation in jaxpr.eqns:
        for inner in jaxprs_in_params(equation.params):
            if equation.primitive.name == "scan" and "conv_general" in str(inner):
                yield equation.params["length"]
            yield from scans(inner)

"""One window's denoising against diffusers' U-Net and scheduler, step by step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from jax.extend.core import jaxprs_in_params
from svd_reference import UNET, converted, error, noise, ours, published, theirs

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
    """Stands in for the blending of tiles: tile 0 takes after tile 1."""

    share: float = dataclasses.field(metadata={"static": True})

    def __call__(self, x, sigma):
        pulled = (1 - self.share) * x[0] + self.share * x[1] + 1e-3 * sigma
        return x.at[0].set(pulled)


def given() -> tuple[torch.Tensor, ...]:
    return (
        noise(B, T, 4, H, W) * initial_scale(),
        noise(B, T, 5, H, W, seed=1),
        noise(B, 1, UNET.cross_attention_dim, seed=2),
        torch.tensor([[6.0, 127.0, 0.0]]).repeat(B, 1),
    )


def start() -> tuple[jax.Array, Conditioning]:
    latents, *conditioning = map(ours, given())
    return latents, Conditioning(*conditioning)


def expected(guidance: float, pull: float) -> np.ndarray:
    """The published loop: both passes of guidance as one batch."""
    latents, channels, context, ids = given()
    scheduler = published(STEPS)
    for i, time in enumerate(scheduler.timesteps):
        x = torch.cat([scheduler.scale_model_input(latents, time), channels], dim=2)
        nothing = x.clone()
        nothing[:, :, 4:] = 0
        with torch.no_grad():
            without, v = (
                reference.unet(9)(
                    torch.cat([nothing, x]),
                    time,
                    torch.cat([torch.zeros_like(context), context]),
                    torch.cat([ids, ids]),
                ).sample
            ).chunk(2)
        v = without + guidance * (v - without)
        latents = scheduler.step(v, time, latents).prev_sample
        if pull:
            latents[0] = (1 - pull) * latents[0] + pull * latents[1]
            latents[0] += 1e-3 * scheduler.sigmas[i + 1]
    return theirs(latents)


@pytest.mark.parametrize(("guidance", "pull"), [(1.0, 0.0), (1.4, 0.25)])
def test_it_denoises_as_the_published_loop_does(unet, guidance, pull):
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
    assert latents.is_deleted()  # its memory is the result's


def test_one_compilation_serves_every_window_of_a_shape(unet):
    sigmas = schedule("karras", STEPS)
    denoise(unet, *start(), sigmas)
    before = module._run._cache_size()
    latents, conditioning = start()
    denoise(unet, latents * 2, conditioning, sigmas * 0.9)
    assert module._run._cache_size() == before


def test_guidance_of_one_is_one_pass_and_more_is_two_in_turn(unet):
    latents, conditioning = start()

    def calls(guidance) -> list[int]:
        jaxpr = jax.make_jaxpr(
            lambda m: module._run(
                m, latents, conditioning, jnp.ones(STEPS + 1), guidance, None
            )
        )(unet)
        return list(scans(jaxpr.jaxpr))

    alone, guided = calls(None), calls(jnp.float32(2))
    assert STEPS in alone
    assert sorted(guided) == sorted([*alone, 2])


def scans(jaxpr):
    """The lengths of the loops that hold convolutions."""
    for equation in jaxpr.eqns:
        for inner in jaxprs_in_params(equation.params):
            if equation.primitive.name == "scan" and "conv_general" in str(inner):
                yield equation.params["length"]
            yield from scans(inner)

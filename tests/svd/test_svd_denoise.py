"""Compares `denoise` with a loop over diffusers' U-Net and scheduler."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from jax.extend.core import jaxprs_in_params
from svd_reference import UNET, converted, error, noise, published, to_jax, to_numpy

from stereojax.svd import denoise as denoise_module
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
    """An `after_step` in place of tile blending: moves tile 0 towards tile 1."""

    share: float = dataclasses.field(metadata={"static": True})

    def __call__(self, x, sigma):
        pulled = (1 - self.share) * x[0] + self.share * x[1] + 1e-3 * sigma
        return x.at[0].set(pulled)


def torch_inputs() -> tuple[torch.Tensor, ...]:
    """Returns latents, extra channels, CLIP context and the added time ids."""
    return (
        noise(B, T, 4, H, W) * initial_scale(),
        noise(B, T, 5, H, W, seed=1),
        noise(B, 1, UNET.cross_attention_dim, seed=2),
        torch.tensor([[6.0, 127.0, 0.0]]).repeat(B, 1),
    )


def jax_inputs() -> tuple[jax.Array, Conditioning]:
    latents, *conditioning = map(to_jax, torch_inputs())
    return latents, Conditioning(*conditioning)


def published_latents(guidance: float, pull: float) -> np.ndarray:
    """Returns the result of the published loop: both guidance passes in one batch."""
    latents, channels, context, ids = torch_inputs()
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
    latents, conditioning = jax_inputs()
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
    assert error(out, published_latents(guidance, pull)) < 1e-4
    assert error(out, published_latents(guidance + 0.1, pull)) > 1e-3
    assert latents.is_deleted()  # donated


def test_windows_of_one_shape_compile_once(unet):
    sigmas = schedule("karras", STEPS)
    denoise(unet, *jax_inputs(), sigmas)
    compiled = denoise_module._run._cache_size()
    latents, conditioning = jax_inputs()
    denoise(unet, latents * 2, conditioning, sigmas * 0.9)
    assert denoise_module._run._cache_size() == compiled


def test_guidance_1_calls_the_unet_once_per_step_and_others_twice(unet):
    latents, conditioning = jax_inputs()

    def scan_lengths(guidance) -> list[int]:
        jaxpr = jax.make_jaxpr(
            lambda m: denoise_module._run(
                m, latents, conditioning, jnp.ones(STEPS + 1), guidance, None
            )
        )(unet)
        return list(convolution_scans(jaxpr.jaxpr))

    unguided, guided = scan_lengths(None), scan_lengths(jnp.float32(2))
    assert STEPS in unguided
    # The two calls are a scan inside the scan over the steps.
    assert sorted(guided) == sorted([*unguided, 2])


def convolution_scans(jaxpr):
    """Yields the lengths of the scans that contain convolutions, outer ones first."""
    for equation in jaxpr.eqns:
        for inner in jaxprs_in_params(equation.params):
            if equation.primitive.name == "scan" and "conv_general" in str(inner):
                yield equation.params["length"]
            yield from convolution_scans(inner)

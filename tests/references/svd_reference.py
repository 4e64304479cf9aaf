"""diffusers' and transformers' networks, small, with nothing left at its default."""

import contextlib
import functools
from collections.abc import Callable

import diffusers
import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers
from flax import nnx

from convert_weights.engine import convert_tensors
from convert_weights.table import Table
from stereojax.svd.clip import CLIPVisionConfig
from stereojax.svd.unet import UNetConfig
from stereojax.svd.vae import VAEConfig
from stereojax.weights import fill

# Two channels a group at least: of one alone, a norm takes every bias away.
UNET = UNetConfig(
    block_out_channels=(64, 128),
    layers_per_block=1,
    num_attention_heads=(2, 4),
    cross_attention_dim=32,
    addition_time_embed_dim=32,
)
VAE = VAEConfig(block_out_channels=(64, 64, 128), layers_per_block=2)
CLIP = CLIPVisionConfig(
    hidden_size=32,
    intermediate_size=96,
    num_hidden_layers=3,
    num_attention_heads=4,
    image_size=28,
    projection_dim=48,
)


run = jax.jit(lambda model, *inputs: model(*inputs))


class Arrays:
    """A state dict, as the converter reads a file."""

    def __init__(self, module: torch.nn.Module):
        self._state = module.state_dict()
        self.shapes = {name: tuple(x.shape) for name, x in self._state.items()}

    def read(self, name: str) -> np.ndarray:
        return self._state[name].numpy()


def converted(model: nnx.Module, module: torch.nn.Module, table=Table()):  # noqa: B008
    """`model` with the weights of `module`, by the converter."""
    state = convert_tensors(model, Arrays(module), table, what="the test")
    return fill(model, state, what="the test")


def alive(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """`module` with every parameter moved: no zeros, no ones, no even mixing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("mix_factor"):
                p.copy_(noise)
            elif p.ndim > 1:  # of a size that keeps the scale of what goes through
                p.copy_(noise / np.sqrt(p[0].numel()))
            else:
                p.add_(0.2 * noise)
    return module.eval()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def ours(x: torch.Tensor) -> jax.Array:
    """Channels last."""
    return jnp.asarray(x.movedim(-3, -1).numpy() if x.ndim >= 4 else x.numpy())


def theirs(x: torch.Tensor) -> np.ndarray:
    """A reference result, channels last; never dead."""
    x = x.detach().movedim(-3, -1) if x.ndim >= 4 else x.detach()
    assert x.std() >= 0.1, "the reference is dead"
    return x.numpy()


def error(actual: jax.Array, expected: np.ndarray) -> float:
    assert actual.shape == expected.shape
    return float(np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max())


@functools.cache
def unet(in_channels: int = 9, config: UNetConfig = UNET) -> torch.nn.Module:
    module = diffusers.UNetSpatioTemporalConditionModel(
        in_channels=in_channels,
        down_block_types=(
            "CrossAttnDownBlockSpatioTemporal",
            "DownBlockSpatioTemporal",
        ),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        num_attention_heads=config.num_attention_heads,
        cross_attention_dim=config.cross_attention_dim,
        addition_time_embed_dim=config.addition_time_embed_dim,
        projection_class_embeddings_input_dim=3 * config.addition_time_embed_dim,
    )
    return alive(module)


@functools.cache
def vae(config: VAEConfig = VAE) -> torch.nn.Module:
    module = diffusers.AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * len(config.block_out_channels),
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
    )
    return alive(module)


@functools.cache
def clip(sizes: CLIPVisionConfig = CLIP) -> torch.nn.Module:
    config = transformers.CLIPVisionConfig(
        hidden_size=sizes.hidden_size,
        intermediate_size=sizes.intermediate_size,
        num_hidden_layers=sizes.num_hidden_layers,
        num_attention_heads=sizes.num_attention_heads,
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        projection_dim=sizes.projection_dim,
        hidden_act="gelu",
    )
    return alive(transformers.CLIPVisionModelWithProjection(config))


def published(steps: int) -> diffusers.EulerDiscreteScheduler:
    """The scheduler as SVD configures it."""
    reference = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_type="continuous",
        timestep_spacing="leading",
        steps_offset=1,
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
    )
    reference.set_timesteps(steps)
    return reference


def role(path: tuple) -> str:
    """A parameter's name without the numbers of blocks and layers."""
    return ".".join("#" if isinstance(p, int) else p for p in path)


def roles(model: nnx.Module) -> dict[str, tuple]:
    """The path of one parameter of every role."""
    return {role(p): p for p, _ in nnx.to_flat_state(nnx.state(model, nnx.Param))}


@contextlib.contextmanager
def replaced(model: nnx.Module, path: tuple, change: Callable[[jax.Array], jax.Array]):
    """`model` with `change` made to one parameter, for a while."""
    variable = functools.reduce(
        lambda node, key: node[key] if isinstance(key, int) else getattr(node, key),
        path,
        model,
    )
    right = variable[...]
    variable[...] = change(right)
    yield
    variable[...] = right


def silent(
    model: nnx.Module, outcome: Callable[[tuple], float], *, at_least: int
) -> list[str]:
    """Roles of which a wrong parameter leaves `outcome(path)`, an error, below 1e-4.

    There are `at_least` so many roles, and all is well in the end.
    """
    rng = np.random.default_rng(0)
    found = roles(model)
    assert len(found) >= at_least
    quiet = []
    for name, path in found.items():
        with replaced(
            model, path, lambda x: x + 0.3 * rng.standard_normal(x.shape).astype("f")
        ):
            if outcome(path) < 1e-4:
                quiet.append(name)
    assert (
        max(outcome(path) for path in {p[0]: p for p in found.values()}.values()) < 1e-4
    )
    return sorted(quiet)

"""Small networks of diffusers and transformers, with random values everywhere."""

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path

import diffusers
import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers
from flax import nnx

from convert_weights.engine import Table, convert_tensors
from stereojax.svd.clip import CLIPVisionConfig
from stereojax.svd.unet import UNetConfig
from stereojax.svd.vae import VAEConfig
from stereojax.weights import load_state

# At least two channels per group: a norm over one channel removes every bias.
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
    """A state dict with the interface of a checkpoint's tensors."""

    def __init__(self, module: torch.nn.Module):
        self._state = module.state_dict()
        self.shapes = {name: tuple(x.shape) for name, x in self._state.items()}

    def read(self, name: str) -> np.ndarray:
        return self._state[name].numpy()


def converted(model: nnx.Module, module: torch.nn.Module, table=Table()):  # noqa: B008
    """Returns `model` with the weights of `module`, through the converter."""
    state = convert_tensors(model, Arrays(module), table, what="the test")
    return load_state(model, state, what="the test")


def randomized(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Randomizes every parameter of `module`: no zeros, no ones, no equal mixing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("mix_factor"):
                p.copy_(noise)
            elif p.ndim > 1:  # preserves the scale of activations
                p.copy_(noise / np.sqrt(p[0].numel()))
            else:
                p.add_(0.2 * noise)
    return module.eval()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def to_jax(x: torch.Tensor) -> jax.Array:
    """Converts a tensor to a JAX array, channels last."""
    return jnp.asarray(x.movedim(-3, -1).numpy() if x.ndim >= 4 else x.numpy())


def to_numpy(x: torch.Tensor) -> np.ndarray:
    """Converts a reference result to NumPy, channels last; checks that it varies."""
    x = x.detach().movedim(-3, -1) if x.ndim >= 4 else x.detach()
    assert x.std() >= 0.1, "the reference is constant"
    return x.numpy()


def error(actual: jax.Array, expected: np.ndarray) -> float:
    """Returns the largest error relative to the largest expected value."""
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
    return randomized(module)


@functools.cache
def vae(config: VAEConfig = VAE) -> torch.nn.Module:
    module = diffusers.AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * len(config.block_out_channels),
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
    )
    return randomized(module)


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
    return randomized(transformers.CLIPVisionModelWithProjection(config))


def save_pipeline(folder: Path) -> Path:
    """Saves an 8-channel U-Net, a VAE and an image encoder as a pipeline's folders."""
    unet(8).save_pretrained(folder / "unet")
    vae().save_pretrained(folder / "vae")
    clip().save_pretrained(folder / "image_encoder")
    return folder


def published(steps: int) -> diffusers.EulerDiscreteScheduler:
    """Returns diffusers' scheduler as SVD configures it."""
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
    """Returns a parameter's name with "#" for the numbers of blocks and layers."""
    return ".".join("#" if isinstance(p, int) else p for p in path)


def roles(model: nnx.Module) -> dict[str, tuple]:
    """Returns the path of one parameter of every role."""
    return {role(p): p for p, _ in nnx.to_flat_state(nnx.state(model, nnx.Param))}


@contextlib.contextmanager
def replaced(model: nnx.Module, path: tuple, change: Callable[[jax.Array], jax.Array]):
    """Applies `change` to one parameter of `model` inside the block."""
    variable = functools.reduce(
        lambda node, key: node[key] if isinstance(key, int) else getattr(node, key),
        path,
        model,
    )
    original = variable[...]
    variable[...] = change(original)
    yield
    variable[...] = original


def undetected(
    model: nnx.Module, outcome: Callable[[tuple], float], *, at_least: int
) -> list[str]:
    """Returns the roles of parameters whose change is not detected.

    Changes one parameter per role. A change is detected if the error `outcome` is at
    least 1e-4. Checks that the model has at least `at_least` roles, and that the error
    without a change is below 1e-4.
    """
    rng = np.random.default_rng(0)
    paths = roles(model)
    assert len(paths) >= at_least
    undetected = []
    for name, path in paths.items():
        with replaced(
            model, path, lambda x: x + 0.3 * rng.standard_normal(x.shape).astype("f")
        ):
            if outcome(path) < 1e-4:
                undetected.append(name)
    assert (
        max(outcome(path) for path in {p[0]: p for p in paths.values()}.values()) < 1e-4
    )
    return sorted(undetected)

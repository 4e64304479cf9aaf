"""Compares the speed of Stable Video Diffusion's networks with diffusers, on a CPU.

    python -m benchmarks.svd_cpu

Measures one pass of the U-Net, of the VAE's encoder and of its decoder, in float32 with
one thread per core. Both implementations have the same weights and run alternately; the
fastest of several runs is reported. Needs torch and diffusers (the extra `test`).

`ratio` is the speedup over diffusers in wall-clock time, `cpu_ratio` in CPU time, which
other load on the machine affects less. `difference` is the largest difference of the
outputs, relative to the largest output. Writes benchmarks/results/svd_cpu.json.
"""

import argparse
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import diffusers
import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

from benchmarks import measure
from convert_weights.engine import Table, convert_tensors
from stereojax.svd.unet import UNetConfig, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder, VAEConfig
from stereojax.weights import load_state
from stereojax.weights.abstract import abstract


@dataclasses.dataclass(frozen=True)
class Size:
    """Sizes of the U-Net, of the VAE and of their inputs."""

    unet: tuple[int, ...]  # channels per level
    heads: tuple[int, ...]  # attention heads per level
    vae: tuple[int, ...]  # channels per level
    latents: tuple[int, int, int]  # frames, height, width of the U-Net's latents
    decoded: tuple[int, int, int]  # frames, height, width of the VAE's latents


SIZES = {
    "tiny": Size((32, 64), (2, 4), (32, 32), (2, 4, 6), (2, 4, 6)),
    "small": Size((64, 128), (2, 4), (32, 64, 64, 64), (8, 16, 24), (4, 12, 16)),
    "medium": Size(
        (128, 256, 256), (2, 4, 4), (64, 128, 128, 128), (8, 24, 40), (4, 20, 32)
    ),
}
CONTEXT = 64  # channels of the image embedding


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", default="small,medium", help=f"sizes to measure, from {[*SIZES]}"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="timed runs of each implementation"
    )
    flags = parser.parse_args(argv)
    if jax.default_backend() != "cpu":
        parser.error("expected JAX on the CPU; set JAX_PLATFORMS=cpu")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    rows = []
    for name in flags.sizes.split(","):
        for compare in (unet, vae):
            for row in compare(SIZES[name], flags.rounds):
                rows.append({"size": name} | row)
    print(measure.table(rows))
    print("written:", measure.save("svd_cpu", rows))


def unet(size: Size, rounds: int) -> Iterator[dict[str, Any]]:
    """Compares one call of the U-Net."""
    levels = len(size.unet)
    sizes = {
        "in_channels": 9,
        "block_out_channels": size.unet,
        "layers_per_block": 1,
        "num_attention_heads": size.heads,
        "cross_attention_dim": CONTEXT,
        "addition_time_embed_dim": 32,
    }
    reference = diffusers.UNetSpatioTemporalConditionModel(
        **sizes,
        down_block_types=(
            *["CrossAttnDownBlockSpatioTemporal"] * (levels - 1),
            "DownBlockSpatioTemporal",
        ),
        up_block_types=(
            "UpBlockSpatioTemporal",
            *["CrossAttnUpBlockSpatioTemporal"] * (levels - 1),
        ),
        projection_class_embeddings_input_dim=96,
    ).eval()
    unet = converted(UNetSpatioTemporalConditionModel, UNetConfig(**sizes), reference)
    frames, height, width = size.latents
    inputs = (
        torch.randn(1, frames, 9, height, width),
        torch.tensor([1.0]),
        torch.randn(1, 1, CONTEXT),
        torch.tensor([[6.0, 127.0, 0.0]]),
    )
    call = jax.jit(lambda network, *inputs: network(*inputs))
    arrays = [channels_last(x) for x in inputs]
    yield {"network": "U-Net", "latents": list(size.latents)} | race(
        lambda: call(unet, *arrays), lambda: reference(*inputs).sample, rounds
    )


def vae(size: Size, rounds: int) -> Iterator[dict[str, Any]]:
    """Compares the VAE's encoder and its decoder."""
    reference = diffusers.AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * len(size.vae),
        block_out_channels=size.vae,
        layers_per_block=2,
    ).eval()
    config = VAEConfig(block_out_channels=size.vae, layers_per_block=2)
    vae = converted(AutoencoderKLTemporalDecoder, config, reference)
    frames, height, width = size.decoded
    pixels = torch.rand(frames, 3, height * config.factor, width * config.factor)
    latents = torch.randn(frames, config.latent_channels, height, width)
    encode = jax.jit(lambda network, x: network.encode(x[None])[0])
    decode = jax.jit(lambda network, z: network.decode(z[None])[0])
    x, z = channels_last(pixels), channels_last(latents)
    facts = {"latents": list(size.decoded)}
    yield (
        {"network": "VAE encode"}
        | facts
        | race(
            lambda: encode(vae, x),
            lambda: reference.encode(pixels).latent_dist.mode(),
            rounds,
        )
    )
    yield (
        {"network": "VAE decode"}
        | facts
        | race(
            lambda: decode(vae, z),
            lambda: reference.decode(latents, num_frames=frames).sample,
            rounds,
        )
    )


class Weights:
    """The tensors of a PyTorch module, as `convert_weights.tensors.Tensors`."""

    def __init__(self, module: torch.nn.Module):
        self._state = module.state_dict()
        self.shapes = {name: tuple(x.shape) for name, x in self._state.items()}

    def read(self, name: str) -> np.ndarray:
        return self._state[name].numpy()


def converted(network: type, config: Any, module: torch.nn.Module) -> nnx.Module:
    """Returns this project's network with the weights of a PyTorch module."""
    model = abstract(lambda rngs: network(config, rngs=rngs))
    name = network.__name__
    state = convert_tensors(model, Weights(module), Table(), what=name)
    return load_state(model, state, what=name)


def channels_last(x: torch.Tensor) -> jax.Array:
    return jnp.asarray((x.movedim(-3, -1) if x.ndim > 3 else x).numpy())


def race(
    ours: Callable[[], jax.Array], diffusers: Callable[[], torch.Tensor], rounds: int
) -> dict[str, Any]:
    """Returns the times, their ratios, and the difference of the outputs."""

    def reference() -> np.ndarray:
        with torch.no_grad():
            return diffusers().numpy()

    expected = np.moveaxis(reference(), -3, -1)
    difference = np.abs(np.asarray(ours()) - expected).max() / np.abs(expected).max()
    times = measure.race(
        {"ours": ours, "diffusers": reference}, seconds=0.0, rounds=rounds
    )
    ours_time, diffusers_time = times["ours"], times["diffusers"]
    return {
        "ours_s": ours_time.best,
        "diffusers_s": diffusers_time.best,
        "ratio": diffusers_time.best / ours_time.best,
        "ours_cpu_s": ours_time.cpu,
        "diffusers_cpu_s": diffusers_time.cpu,
        "cpu_ratio": diffusers_time.cpu / ours_time.cpu,
        "difference": float(difference),
    }


if __name__ == "__main__":
    main()

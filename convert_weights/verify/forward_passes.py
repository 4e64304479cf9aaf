"""The forward passes that are compared: inputs, calls, and intermediate outputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

FRAMES = 2
SIDE = 16  # width and height of the U-Net's latents


@dataclasses.dataclass(frozen=True)
class ForwardPass:
    """A call of a network. Images are channels last; all arrays are float32."""

    name: str  # of the output
    stages: tuple[str, ...]  # submodules whose outputs are compared, in order
    inputs: tuple[np.ndarray, ...]
    run_flax: Callable[..., Any]  # (network, *inputs) -> output
    run_torch: Callable[..., Any]  # the same with PyTorch's network and tensors


def forward_passes(name: str, sizes: dict[str, Any]) -> list[ForwardPass]:
    """Returns the forward passes of a network of class `name`."""
    if name.startswith("CLIP"):
        return [_clip(sizes)]
    return _vae(sizes) if name.startswith("Autoencoder") else [_unet(sizes)]


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _unet(sizes: dict[str, Any]) -> ForwardPass:
    levels = range(len(sizes["block_out_channels"]))

    def run_torch(network: Any, x: Any, time: Any, context: Any, ids: Any) -> Any:
        # The source has no added mask channel, whose zero weights must change nothing.
        x = x[..., : network.config.in_channels].movedim(-1, 2)
        return network(x, time, context, ids).sample.movedim(2, -1)

    return ForwardPass(
        "output",
        (
            *("conv_in", "time_embedding", "add_embedding"),
            *(f"down_blocks.{i}" for i in levels),
            "mid_block",
            *(f"up_blocks.{i}" for i in levels),
        ),
        (
            _noise(1, FRAMES, SIDE, SIDE, sizes["in_channels"]),
            np.float32([0.7]),
            _noise(1, 1, sizes["cross_attention_dim"]),
            np.float32([[6, 127, 0.02]]),
        ),
        lambda network, *inputs: network(*inputs),
        run_torch,
    )


def _vae(sizes: dict[str, Any]) -> list[ForwardPass]:
    levels = range(len(sizes["block_out_channels"]))
    side = 4 * 2 ** len(levels)

    def encode(network: Any, x: Any) -> Any:
        x = x.flatten(0, 1).movedim(-1, 1)
        return network.encode(x).latent_dist.mode().movedim(1, -1)

    def decode(network: Any, z: Any) -> Any:
        z = z.flatten(0, 1).movedim(-1, 1)
        return network.decode(z, num_frames=FRAMES).sample.movedim(1, -1)

    return [
        ForwardPass(
            "latents",
            (
                "encoder.conv_in",
                *(f"encoder.down_blocks.{i}" for i in levels),
                "encoder.mid_block",
            ),
            (np.tanh(_noise(1, FRAMES, side, side, 3)),),
            lambda network, x: network.encode(x),
            encode,
        ),
        ForwardPass(
            "frames",
            (
                *("decoder.conv_in", "decoder.mid_block"),
                *(f"decoder.up_blocks.{i}" for i in levels),
            ),
            (_noise(1, FRAMES, 8, 8, sizes["latent_channels"]),),
            lambda network, z: network.decode(z),
            decode,
        ),
    ]


def _clip(sizes: dict[str, Any]) -> ForwardPass:
    layers = range(sizes["num_hidden_layers"])
    size = sizes["image_size"]
    return ForwardPass(
        "embedding",
        (
            "vision_model.embeddings",
            *(f"vision_model.encoder.layers.{i}" for i in layers),
        ),
        (_noise(1, size, size, 3),),
        lambda network, x: network(x),
        lambda network, x: network(x.movedim(-1, 1)).image_embeds,
    )

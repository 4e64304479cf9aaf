"""What is run of each network to compare it: inputs, calls, and stages on the way."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

FRAMES = 2
SIDE = 16  # of the latents


@dataclasses.dataclass(frozen=True)
class Pass:
    """One way through a network. Pictures are channels last, everything float32."""

    name: str  # of its result
    stages: tuple[str, ...]  # submodules whose outputs are compared, in order
    inputs: tuple[np.ndarray, ...]
    ours: Callable[..., Any]  # (network, *inputs) -> output
    theirs: Callable[..., Any]  # the same with torch's tensors


def passes(name: str, sizes: dict[str, Any]) -> list[Pass]:
    """All of the network of class `name`."""
    if name.startswith("CLIP"):
        return [_clip(sizes)]
    return _vae(sizes) if name.startswith("Autoencoder") else [_unet(sizes)]


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _unet(sizes: dict[str, Any]) -> Pass:
    levels = range(len(sizes["block_out_channels"]))

    def theirs(network: Any, x: Any, time: Any, context: Any, ids: Any) -> Any:
        # A mask channel that was added has no counterpart: it must change nothing.
        x = x[..., : network.config.in_channels].movedim(-1, 2)
        return network(x, time, context, ids).sample.movedim(2, -1)

    return Pass(
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
        theirs,
    )


def _vae(sizes: dict[str, Any]) -> list[Pass]:
    levels = range(len(sizes["block_out_channels"]))
    side = 4 * 2 ** len(levels)

    def encode(network: Any, x: Any) -> Any:
        x = x.flatten(0, 1).movedim(-1, 1)
        return network.encode(x).latent_dist.mode().movedim(1, -1)

    def decode(network: Any, z: Any) -> Any:
        z = z.flatten(0, 1).movedim(-1, 1)
        return network.decode(z, num_frames=FRAMES).sample.movedim(1, -1)

    return [
        Pass(
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
        Pass(
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


def _clip(sizes: dict[str, Any]) -> Pass:
    layers = range(sizes["num_hidden_layers"])
    size = sizes["image_size"]
    return Pass(
        "embedding",
        (
            "vision_model.embeddings",
            *(f"vision_model.encoder.layers.{i}" for i in layers),
        ),
        (_noise(1, size, size, 3),),
        lambda network, x: network(x),
        lambda network, x: network(x.movedim(-1, 1)).image_embeds,
    )

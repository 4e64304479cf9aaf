"""Measures the memory of Stable Video Diffusion's networks on an H200, without one.

    make aot

Compiles ahead of time at full size, 25 frames of 576x1024 in bfloat16: one call of the
U-Net (one pass, no guidance), and the VAE's decoding in bounded memory, program by
program, compared with decoding at once. Prints the memory that each program needs in
addition to its inputs and outputs, and the copies and transposes of activations around
temporal convolutions; writes benchmarks/results/svd_aot.json. Takes minutes and several
GB of memory.

Attention is the chunked one, because cuDNN's cannot be traced without a GPU: it has
256 MB of scores in memory, which cuDNN's does not need.
"""

import argparse
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import measure

# Imported first: sets the environment variables that the backends read.
from benchmarks.aot.splat import described

# isort: split
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stereojax.cli import line_of
from stereojax.ops import attention
from stereojax.svd import vae_decode
from stereojax.svd.unet import STEREOCRAFTER, UNetConfig
from stereojax.svd.unet import UNetSpatioTemporalConditionModel as UNet
from stereojax.svd.vae import SVD_VAE, VAEConfig
from stereojax.svd.vae import AutoencoderKLTemporalDecoder as VAE
from stereojax.weights.abstract import abstract

LATENTS = (25, 72, 128)
CARD = 24 << 30  # memory of a consumer GPU
CONTEXT = 1 << 30  # memory that the driver, cuDNN and cuBLAS need
KINDS = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16, "attention": "chunked"}
Spec = Callable[..., jax.ShapeDtypeStruct]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--parts", default=",".join(PARTS), help="networks to compile, comma-separated"
    )
    parts = parser.parse_args(argv).parts.split(",")
    try:
        device = described("H200")
    except Exception as error:
        reason = line_of(error)[:200]
        print(f"H200: skipped, its compiler is not available ({reason})")
        return
    # The compiling machine has the CPU backend, but the program is for a GPU.
    attention.CPU_BYTES = attention.ACCELERATOR_BYTES
    spec = on(device)
    results: dict[str, Any] = {}
    for part in parts:
        results[part] = list(PARTS[part](spec, LATENTS))
        print(measure.table(results[part]), flush=True)
    print("written:", measure.save("svd_aot", results))


def on(device: Any) -> Spec:
    """Returns a maker of abstract arrays on `device`, of bfloat16 by default."""
    placed = NamedSharding(Mesh([device], ("x",)), PartitionSpec())

    def spec(shape: tuple[int, ...], dtype: Any = jnp.bfloat16):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=placed)

    return spec


def unet_step(
    spec: Spec, latents: tuple[int, int, int], config: UNetConfig = STEREOCRAFTER
) -> Iterator[dict[str, Any]]:
    """Compiles one pass of the U-Net over one window."""
    unet = placed(spec, abstract(lambda rngs: UNet(config, **KINDS, rngs=rngs)))
    program = (
        jax.jit(lambda unet, *inputs: unet(*inputs))
        .lower(
            unet,
            spec((1, *latents, config.in_channels)),
            spec((1,), jnp.float32),
            spec((1, 1, config.cross_attention_dim)),
            spec((1, 3), jnp.float32),
        )
        .compile()
    )
    convolutions = temporal_convolutions(program.as_text())
    row = memory("U-Net", program)
    need = 1e9 * (row["temp_GB"] + row["in_GB"] + row["out_GB"])
    yield row | {
        "fits_24_GB_card": need < CARD - CONTEXT,
        "temporal_convolutions": len(convolutions),
        "with_transposed_copies": sum(map(bool, convolutions.values())),
    }


def vae_decode_parts(
    spec: Spec, latents: tuple[int, int, int], config: VAEConfig = SVD_VAE
) -> Iterator[dict[str, Any]]:
    """Compiles every program of `stereojax.svd.vae_decode`.

    `layer_GB` is the memory of the stored activations while the program runs.
    """
    t, h, w = latents
    vae = placed(spec, abstract(lambda rngs: VAE(config, **KINDS, rngs=rngs)))
    decoder, itemsize = vae.decoder, 2

    def row(name: str, stored: int, function: Any, *inputs: Any) -> dict[str, Any]:
        needed = memory(name, function.lower(*inputs).compile())
        layer_gb = stored * itemsize / 1e9
        return needed | {
            "layer_GB": layer_gb,
            "all_GB": layer_gb + needed["temp_GB"] + needed["in_GB"] + needed["out_GB"],
        }

    first = spec((t, h, w, config.latent_channels), jnp.float32)
    yield row("middle", 0, vae_decode._middle, decoder, first)
    channels = config.block_out_channels[-1]
    upsampler = None
    for number, block in enumerate(decoder.up_blocks):
        for index, resnet in enumerate(
            block.resnets[:2]
        ):  # the third equals the second
            frame = spec((h, w, channels))
            if upsampler is not None:
                h, w = 2 * h, 2 * w
            channels = resnet.spatial_res_block.conv2.kernel.shape[-1]
            stored = t * h * w * channels
            name = f"block {number}.{index}"
            spatial = vae_decode._spatial_half
            yield row(f"{name}: frame", stored, spatial, upsampler, resnet, frame)
            moments = (spec((1, 1, 1, 1, 32), jnp.float32),) * 2
            _, rows = vae_decode._bands(Planned(t, h, w, channels))[0]
            band = spec((t, rows, w, channels))
            temporal = vae_decode._temporal_half
            yield row(f"{name}: band", stored, temporal, resnet, band, moments, moments)
            upsampler = None
        frames = tuple(spec((h, w, channels)) for _ in range(t))
        start = spec((), jnp.int32)
        yield row(f"block {number}: write", 0, vae_decode._write, frames, band, start)
        upsampler = block.upsamplers[0] if block.upsamplers else None
    yield row("last", stored, vae_decode._last, decoder, spec((h, w, channels)))
    joint = jax.jit(lambda vae, latents: vae.decode(latents))
    for frames in (2, t):  # the published chunk, and all frames
        latents = spec((1, frames, *first.shape[1:]), jnp.float32)
        yield row(f"{frames} frames at once", 0, joint, vae, latents)


class Planned(vae_decode.DeviceFrames):
    """Frames with a shape and without arrays."""

    def __init__(self, *sizes: int):
        self._sizes = sizes

    @property
    def shape(self) -> tuple[int, ...]:
        return self._sizes


PARTS = {"unet": unet_step, "vae": vae_decode_parts}


def placed(spec: Spec, network: Any) -> Any:
    """Returns the abstract network with its arrays on the device of `spec`."""
    return jax.tree.map(lambda x: spec(x.shape, x.dtype), network)


def memory(name: str, program: Any) -> dict[str, Any]:
    """Returns a table row with the memory of a compiled program."""
    analysis = program.memory_analysis()
    out_bytes = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return {
        "program": name,
        "temp_GB": analysis.temp_size_in_bytes / 1e9,
        "in_GB": analysis.argument_size_in_bytes / 1e9,
        "out_GB": out_bytes / 1e9,
    }


# `%name = bf16[1,25,9216,320]{3,2,1,0} fusion(%a, %b), kind=..., calls=%c`
LINE = re.compile(
    r"^\s*(?:ROOT )?(%\S+) = \(?\w+\[([\d,]*)\].*? ([a-z][\w-]*)\((.*?)\)(?:, |$)"
)
SAME = {"bitcast", "get-tuple-element"}  # instructions that move no data
MOVES = {"copy", "transpose", "copy-start"}


def temporal_convolutions(text: str) -> dict[str, list[str]]:
    """Returns convolutions over three frames, with the copies of their activations.

    A copy is the instruction that makes a convolution's first operand, or one that
    takes its result, if it copies or transposes at least as many values, alone or
    within a fusion.
    """
    computations = dict(
        re.findall(
            r"^(?:ENTRY )?(%\S+) .*?\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL
        )
    )
    convolutions = {}
    for body in computations.values():
        lines = {
            m.group(1): (m, line)
            for line in body.splitlines()
            if (m := LINE.match(line))
        }
        for name, (match, line) in lines.items():
            if "size=3x1 " not in line or "conv" not in line:
                continue
            convolutions[name] = [
                other
                for other in neighbours(name, lines)
                if moves(lines[other], size(match.group(2)), computations)
            ]
    return convolutions


def neighbours(name: str, lines: dict[str, Any]) -> Iterator[str]:
    """Yields the instruction that makes the operand, and those that take the result."""
    source = operands(lines[name][0])[0]
    while source in lines and lines[source][0].group(3) in SAME:
        source = operands(lines[source][0])[0]
    if source in lines:
        yield source
    results = {name}
    for other, (match, _) in lines.items():  # in the order of execution
        if results.isdisjoint(operands(match)):
            continue
        if match.group(3) in SAME:
            results.add(other)
        else:
            yield other


def moves(
    instruction: tuple[Any, str], least: int, computations: dict[str, str]
) -> bool:
    """Returns whether an instruction copies or transposes `least` values or more."""
    match, line = instruction
    if match.group(3) in MOVES:
        return size(match.group(2)) >= least
    called = re.search(r"calls=(%[\w.-]+)", line)
    inner = computations.get(called.group(1), "") if called else ""
    return any(
        m.group(3) in MOVES and size(m.group(2)) >= least
        for m in map(LINE.match, inner.splitlines())
        if m
    )


def operands(match: Any) -> list[str]:
    return re.findall(r"%[\w.-]+", match.group(4)) or [""]


def size(shape: str) -> int:
    """Returns the number of values of a shape such as "1,25,9216,320"."""
    return math.prod(int(n) for n in filter(None, shape.split(",")))


if __name__ == "__main__":
    main()

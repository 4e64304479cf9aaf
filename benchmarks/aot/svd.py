"""What Stable Video Diffusion's networks take on an H200, compiled without one.

    make aot

At full size, 25 frames of 576x1024 in bfloat16: one call of the U-Net (one pass, no
guidance), and the VAE's decoding in bounded memory, program by program, beside decoding
at once. Prints the memory that each program needs beside its inputs and outputs, and
what around the temporal convolutions transposes or copies activations; writes
benchmarks/results/svd_aot.json. Minutes, and some GB.

Attention is the chunked one, as cuDNN's cannot be traced where there is no GPU: it
holds 256 MB of scores at a time, which a GPU does not.
"""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import measure
from benchmarks.aot.splat import described  # first: sets what the backends read

# isort: split
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stereojax.ops import attention
from stereojax.svd import vae_decode
from stereojax.svd.unet import STEREOCRAFTER, UNetConfig
from stereojax.svd.unet import UNetSpatioTemporalConditionModel as UNet
from stereojax.svd.vae import SVD_VAE, VAEConfig
from stereojax.svd.vae import AutoencoderKLTemporalDecoder as VAE
from stereojax.weights.abstract import abstract

LATENTS = (25, 72, 128)
CARD = 24 << 30  # of a consumer's GPU
CONTEXT = 1 << 30  # what the driver, cuDNN and cuBLAS keep of it
KINDS = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16, "attention": "chunked"}
Spec = Callable[..., jax.ShapeDtypeStruct]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS))
    parts = parser.parse_args(argv).parts.split(",")
    try:
        device = described("H200")
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        print(f"H200: skipped, no compiler for it here ({reason})")
        return
    # The compiling machine is a CPU, the compiled program is not for one.
    attention.CPU_BYTES = attention.ACCELERATOR_BYTES
    spec = on(device)
    results: dict[str, Any] = {}
    for part in parts:
        results[part] = list(PARTS[part](spec, LATENTS))
        print(measure.table(results[part]), flush=True)
    print("written:", measure.save("svd_aot", results))


def on(device: Any) -> Spec:
    """Makes shapes of arrays that lie there; bfloat16 by default."""
    placed = NamedSharding(Mesh([device], ("x",)), PartitionSpec())

    def spec(shape: tuple[int, ...], dtype: Any = jnp.bfloat16):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=placed)

    return spec


def unet_step(
    spec: Spec, latents: tuple[int, int, int], config: UNetConfig = STEREOCRAFTER
) -> Iterator[dict[str, Any]]:
    """One pass of the U-Net over one window."""
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
    found = temporal_convolutions(program.as_text())
    row = memory("U-Net", program)
    need = 1e9 * (row["temp_GB"] + row["in_GB"] + row["out_GB"])
    yield row | {
        "fits_24_GB_card": need < CARD - CONTEXT,
        "temporal_convolutions": len(found),
        "with_transposed_copies": sum(bool(copies) for copies in found.values()),
    }


def vae_decode_parts(
    spec: Spec, latents: tuple[int, int, int], config: VAEConfig = SVD_VAE
) -> Iterator[dict[str, Any]]:
    """Every program of `stereojax.svd.vae_decode`, and what is held meanwhile."""
    t, h, w = latents
    vae = placed(spec, abstract(lambda rngs: VAE(config, **KINDS, rngs=rngs)))
    decoder, compute = vae.decoder, 2

    def row(name: str, held: int, function: Any, *inputs: Any) -> dict[str, Any]:
        found = memory(name, function.lower(*inputs).compile())
        held_gb = held * compute / 1e9
        return found | {
            "layer_GB": held_gb,
            "all_GB": held_gb + found["temp_GB"] + found["in_GB"] + found["out_GB"],
        }

    first = spec((t, h, w, config.latent_channels), jnp.float32)
    yield row("middle", 0, vae_decode._middle, decoder, first)
    channels = config.block_out_channels[-1]
    before = None
    for number, block in enumerate(decoder.up_blocks):
        for which, resnet in enumerate(block.resnets[:2]):  # the third is as the second
            small = (h, w, channels)
            if before is not None:
                h, w = 2 * h, 2 * w
            channels = resnet.spatial_res_block.conv2.kernel.shape[-1]
            held = t * h * w * channels
            name = f"block {number}.{which}"
            within = vae_decode._spatial_half
            yield row(f"{name}: frame", held, within, before, resnet, spec(small))
            moments = (spec((1, 1, 1, 1, 32), jnp.float32),) * 2
            _, rows = vae_decode._bands(Planned(t, h, w, channels))[0]
            band = spec((t, rows, w, channels))
            over = vae_decode._temporal_half
            yield row(f"{name}: band", held, over, resnet, band, moments, moments)
            before = None
        frames = tuple(spec((h, w, channels)) for _ in range(t))
        at = spec((), jnp.int32)
        yield row(f"block {number}: write", 0, vae_decode._write, frames, band, at)
        before = block.upsamplers[0] if block.upsamplers else None
    yield row("last", held, vae_decode._last, decoder, spec((h, w, channels)))
    together = jax.jit(lambda vae, latents: vae.decode(latents))
    for frames in (2, t):  # the published chunk, and all
        latents = spec((1, frames, *first.shape[1:]), jnp.float32)
        yield row(f"{frames} frames at once", 0, together, vae, latents)


class Planned(vae_decode.DeviceFrames):
    """Frames of which only the size is asked."""

    def __init__(self, *sizes: int):
        self._sizes = sizes

    @property
    def shape(self) -> tuple[int, ...]:
        return self._sizes


PARTS = {"unet": unet_step, "vae": vae_decode_parts}


def placed(spec: Spec, network: Any) -> Any:
    return jax.tree.map(lambda x: spec(x.shape, x.dtype), network)


def memory(name: str, program: Any) -> dict[str, Any]:
    found = program.memory_analysis()
    return {
        "program": name,
        "temp_GB": found.temp_size_in_bytes / 1e9,
        "in_GB": found.argument_size_in_bytes / 1e9,
        "out_GB": (found.output_size_in_bytes - found.alias_size_in_bytes) / 1e9,
    }


# `%name = bf16[1,25,9216,320]{3,2,1,0} fusion(%a, %b), kind=..., calls=%c`
LINE = re.compile(
    r"^\s*(?:ROOT )?(%\S+) = \(?\w+\[([\d,]*)\].*? ([a-z][\w-]*)\((.*?)\)(?:, |$)"
)
SAME = {"bitcast", "get-tuple-element"}  # nothing is moved
MOVES = {"copy", "transpose", "copy-start"}


def temporal_convolutions(text: str) -> dict[str, list[str]]:
    """Convolutions over three frames, and what moves their activations about.

    Looked at is what makes a convolution's first operand, and what takes its result:
    a copy or a transpose of at least as many numbers, alone or within a fusion.
    """
    computations = dict(
        re.findall(
            r"^(?:ENTRY )?(%\S+) .*?\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL
        )
    )
    found = {}
    for body in computations.values():
        lines = {
            m.group(1): (m, line)
            for line in body.splitlines()
            if (m := LINE.match(line))
        }
        for name, (match, line) in lines.items():
            if "size=3x1 " not in line or "conv" not in line:
                continue
            found[name] = [
                other
                for other in around(name, lines)
                if moves(lines[other], count(match.group(2)), computations)
            ]
    return found


def around(name: str, lines: dict[str, Any]) -> Iterator[str]:
    """The instruction that makes the activations, and those that take the result."""
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


def moves(found: tuple[Any, str], least: int, computations: dict[str, str]) -> bool:
    match, line = found
    if match.group(3) in MOVES:
        return count(match.group(2)) >= least
    called = re.search(r"calls=(%[\w.-]+)", line)
    inner = computations.get(called.group(1), "") if called else ""
    return any(
        m.group(3) in MOVES and count(m.group(2)) >= least
        for m in map(LINE.match, inner.splitlines())
        if m
    )


def operands(match: Any) -> list[str]:
    return re.findall(r"%[\w.-]+", match.group(4)) or [""]


def count(shape: str) -> int:
    total = 1
    for n in filter(None, shape.split(",")):
        total *= int(n)
    return total


if __name__ == "__main__":
    main()

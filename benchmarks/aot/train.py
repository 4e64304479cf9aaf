"""Compiles the full-size training update and validation for 8 H200s, without GPUs.

    JAX_PLATFORMS=cpu python -m benchmarks.aot.train

Compiling ahead of time needs the wheels of the CUDA backend (jax-cuda13-plugin and
jax-cuda13-pjrt of jax's own version), not the devices. Nothing is allocated: networks
and state are shapes. Prints the memory of each device as the compiler reports it;
writes benchmarks/results/aot_train.json.

cuDNN is not available without a GPU, so attention is the chunked implementation, and
convolutions have no workspace, which a GPU's autotuning may add.
"""

import argparse
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import NamedSharding

from benchmarks import measure
from benchmarks.aot import splat as aot
from stereojax.ops import attention
from stereojax.settings.train import TrainSettings
from stereojax.svd.clip import SVD_CLIP
from stereojax.svd.networks import build
from stereojax.svd.unet import STEREOCRAFTER
from stereojax.svd.vae import SVD_VAE
from stereojax.training import initial_model, inpaint_task
from stereojax.training.flops import flops_of
from stereojax.training.optimizer import make_optimizer
from stereojax.training.sharding import BATCH, make_mesh
from stereojax.training.state import abstract_state, split_trainable
from stereojax.training.step import INDEX, make_step
from stereojax.training.validation import make_validation_step
from stereojax.weights.structure import split

LIMIT = 80e9  # bytes of device memory into which the update has to fit


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--devices", type=int, default=8, help="number of H200s")
    add("--fsdp", type=int, default=0, help="devices that share a state; 0: all")
    add("--programs", default="update,validation", help="programs to compile")
    args = parser.parse_args(argv)
    topology = topologies.get_topology_desc(
        "H200", "cuda", topology=f"1x1x{args.devices}", target_config=aot.H200
    )
    settings = TrainSettings(batch=args.devices, dtype="bfloat16")
    mesh = make_mesh(args.fsdp or args.devices, devices=list(topology.devices))
    # The compiling machine is a CPU, but the program is for an accelerator.
    attention.CPU_BYTES = attention.ACCELERATOR_BYTES
    counts = operations(settings, mesh)
    print(measure.table(counts), flush=True)
    rows = []
    for name in args.programs.split(","):
        row = {"program": name, "devices": args.devices}
        row["mesh"] = "x".join(map(str, mesh.shape.values()))
        start = time.perf_counter()
        traced = PROGRAMS[name](settings, mesh)
        row["trace_s"] = time.perf_counter() - start
        start = time.perf_counter()
        program = traced.lower().compile()
        row["compile_s"] = time.perf_counter() - start
        rows.append(row | memory(program.memory_analysis()))
        print(measure.table(rows[-1:]), flush=True)
    results = {"operations": counts, "programs": rows}
    print("written:", measure.save("aot_train", results))
    most = max(row["total_GB"] for row in rows)
    if most > LIMIT / 1e9:
        raise SystemExit(f"{most:.1f} GB per device: expected at most {LIMIT / 1e9}")


def operations(settings: TrainSettings, mesh: Any) -> list[dict[str, Any]]:
    """Counts a sample's operations, from frames and from cached latents."""
    structure, state, _, batch = shapes(settings, mesh)
    loss, encode = inpaint_task.loss(settings), inpaint_task.encode(settings)
    arrays = state.trainable | state.frozen
    latents = jax.eval_shape(
        lambda arrays, batch: encode(structure.model(arrays), batch), arrays, batch
    )
    inputs = {"pictures": batch, "latents": {**latents, INDEX: batch[INDEX]}}
    return [
        {
            "from": name,
            "Tflop": flops_of(structure, loss, state, x) / len(x[INDEX]) / 1e12,
        }
        for name, x in inputs.items()
    ]


def full_update(settings: TrainSettings, mesh: Any) -> Any:
    """Traces the paper's update: 25 frames of 576x1024, one sample per device."""
    structure, state, optimizer, batch = shapes(settings, mesh)
    step = make_step(structure, inpaint_task.loss(settings), optimizer, mesh, state)
    return step.trace(state, batch)


def full_validation(settings: TrainSettings, mesh: Any) -> Any:
    """Traces validation: sampling and metrics, one sample per device."""
    structure, state, _, batch = shapes(settings, mesh)
    step = make_validation_step(structure, inpaint_task.validate(settings), mesh, state)
    return step.trace(state.trainable, state.frozen, state.rng, batch)


PROGRAMS = {"update": full_update, "validation": full_validation}


def shapes(settings: TrainSettings, mesh: Any) -> tuple[Any, Any, Any, dict]:
    """Returns full-size (structure, state, optimizer, batch) of shapes."""
    sizes = (
        (
            "unet",
            initial_model.UNET,
            STEREOCRAFTER,
            {"dtype": jnp.bfloat16, "remat": True},
        ),
        ("vae", initial_model.VAE, SVD_VAE, {}),
        (
            "image_encoder",
            initial_model.IMAGE_ENCODER,
            SVD_CLIP,
            {"dtype": jnp.bfloat16},
        ),
    )
    networks = {
        name: build(cls, dataclasses.asdict(config), **options)
        for name, cls, config, options in sizes
    }
    structure, arrays = split(initial_model.InpaintModel(**networks))
    trainable, frozen = split_trainable(arrays, inpaint_task.TRAINABLE)
    frozen = {
        name: x
        if name.startswith("vae.")
        else jax.ShapeDtypeStruct(x.shape, jnp.bfloat16)
        for name, x in frozen.items()
    }
    optimizer = make_optimizer(settings)
    state = abstract_state(trainable, frozen, optimizer, mesh)
    sharding = NamedSharding(mesh, BATCH)
    shape = (settings.batch, settings.frames, settings.height, settings.width)

    def array(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    batch = {
        "left": array((*shape, 3), jnp.uint8),
        "right": array((*shape, 3), jnp.uint8),
        "disparity": array(shape, jnp.float32),
        INDEX: array(shape[:1], jnp.int32),
    }
    return structure, state, optimizer, batch


def memory(analysis: Any) -> dict[str, float]:
    """Returns GB per device; donated buffers count once."""
    parts = {
        "arguments_GB": analysis.argument_size_in_bytes,
        "outputs_GB": analysis.output_size_in_bytes,
        "shared_GB": analysis.alias_size_in_bytes,
        "temporary_GB": analysis.temp_size_in_bytes,
    }
    sizes = {name: size / 1e9 for name, size in parts.items()}
    total = sizes["arguments_GB"] + sizes["outputs_GB"] + sizes["temporary_GB"]
    return sizes | {"total_GB": total - sizes["shared_GB"]}


if __name__ == "__main__":
    main()

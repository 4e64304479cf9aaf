"""The full-size training step and validation, compiled for 8 H200s without any.

    JAX_PLATFORMS=cpu python -m benchmarks.aot.train

Compiling ahead of time needs the wheels of the CUDA backend (jax-cuda13-plugin and
jax-cuda13-pjrt of jax's own version), not the devices. Nothing is allocated: networks
and state are shapes. Prints what the compiler says each device holds; writes
benchmarks/results/aot_train.json.

cuDNN cannot be asked without a GPU, so attention is the chunked one, and convolutions
run without the workspace that a GPU's autotuning may choose.
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

LIMIT = 80e9  # bytes of a device that the step is to fit


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--fsdp", type=int, default=0)
    parser.add_argument("--programs", default="update,validation")
    given = parser.parse_args(argv)
    topology = topologies.get_topology_desc(
        "H200", "cuda", topology=f"1x1x{given.devices}", target_config=aot.H200
    )
    settings = TrainSettings(batch=given.devices, dtype="bfloat16")
    mesh = make_mesh(given.fsdp or given.devices, devices=list(topology.devices))
    # The compiling machine is a CPU, the compiled program is not for one.
    attention.CPU_BYTES = attention.ACCELERATOR_BYTES
    counts = operations(settings, mesh)
    print(measure.table(counts), flush=True)
    rows = []
    for name in given.programs.split(","):
        row = {"program": name, "devices": given.devices}
        row["mesh"] = "x".join(map(str, mesh.shape.values()))
        since = time.perf_counter()
        traced = PROGRAMS[name](settings, mesh)
        row["trace_s"] = time.perf_counter() - since
        since = time.perf_counter()
        program = traced.lower().compile()
        row["compile_s"] = time.perf_counter() - since
        rows.append(row | memory(program.memory_analysis()))
        print(measure.table(rows[-1:]), flush=True)
    results = {"operations": counts, "programs": rows}
    print("written:", measure.save("aot_train", results))
    most = max(row["total_GB"] for row in rows)
    if most > LIMIT / 1e9:
        raise SystemExit(f"{most:.1f} GB a device: more than {LIMIT / 1e9}")


def operations(settings: TrainSettings, mesh: Any) -> list[dict[str, Any]]:
    """Of a sample, from pictures and from latents that are kept; none counted twice."""
    structure, state, _, batch = shapes(settings, mesh)
    loss, encode = inpaint_task.loss(settings), inpaint_task.encode(settings)
    arrays = state.trainable | state.frozen
    latents = jax.eval_shape(
        lambda arrays, batch: encode(structure.model(arrays), batch), arrays, batch
    )
    given = {"pictures": batch, "latents": {**latents, INDEX: batch[INDEX]}}
    return [
        {
            "from": name,
            "Tflop": flops_of(structure, loss, state, x) / len(x[INDEX]) / 1e12,
        }
        for name, x in given.items()
    ]


def full_update(settings: TrainSettings, mesh: Any) -> Any:
    """The paper's update, traced on shapes: 25 frames of 576x1024, one a device."""
    structure, state, optimizer, batch = shapes(settings, mesh)
    step = make_step(structure, inpaint_task.loss(settings), optimizer, mesh, state)
    return step.trace(state, batch)


def full_validation(settings: TrainSettings, mesh: Any) -> Any:
    """The sampler's frames of held-out samples, one a device, and their scores."""
    structure, state, _, batch = shapes(settings, mesh)
    judge = make_validation_step(structure, inpaint_task.validate(settings), mesh, state)
    return judge.trace(state.trainable, state.frozen, state.rng, batch)


PROGRAMS = {"update": full_update, "validation": full_validation}


def shapes(settings: TrainSettings, mesh: Any) -> tuple[Any, Any, Any, dict]:
    """(structure, state, optimizer, batch) at full size, of shapes alone."""
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
    made = {
        name: build(cls, dataclasses.asdict(config), **more)
        for name, cls, config, more in sizes
    }
    structure, arrays = split(initial_model.InpaintModel(**made))
    trainable, frozen = split_trainable(arrays, inpaint_task.TRAINABLE)
    frozen = {
        name: x
        if name.startswith("vae.")
        else jax.ShapeDtypeStruct(x.shape, jnp.bfloat16)
        for name, x in frozen.items()
    }
    optimizer = make_optimizer(settings)
    state = abstract_state(trainable, frozen, optimizer, mesh)
    placed = NamedSharding(mesh, BATCH)
    shape = (settings.batch, settings.frames, settings.height, settings.width)

    def array(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=placed)

    batch = {
        "left": array((*shape, 3), jnp.uint8),
        "right": array((*shape, 3), jnp.uint8),
        "disparity": array(shape, jnp.float32),
        INDEX: array(shape[:1], jnp.int32),
    }
    return structure, state, optimizer, batch


def memory(analysis: Any) -> dict[str, float]:
    """GB a device; what is donated is counted once."""
    parts = {
        "arguments_GB": analysis.argument_size_in_bytes,
        "outputs_GB": analysis.output_size_in_bytes,
        "shared_GB": analysis.alias_size_in_bytes,
        "temporary_GB": analysis.temp_size_in_bytes,
    }
    found = {name: size / 1e9 for name, size in parts.items()}
    total = found["arguments_GB"] + found["outputs_GB"] + found["temporary_GB"]
    return found | {"total_GB": total - found["shared_GB"]}


if __name__ == "__main__":
    main()

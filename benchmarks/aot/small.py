"""Compiles a small run's programs for four H200s and four TPU v5e, without devices.

    JAX_PLATFORMS=cpu python -m benchmarks.aot.small

A test on a CPU cannot show that training compiles for accelerators: the update, with
the accelerator's Pallas splat inside the sharded program and looped microbatches, and
the sampler of validation. Networks are small, in bfloat16, on a mesh of (2, 2). Needs
the wheels that `make aot` installs. Takes minutes. Writes
benchmarks/results/aot_small.json.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import measure
from benchmarks.aot import splat as aot

# isort: split
import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import NamedSharding

from stereojax.cli import line_of
from stereojax.ops import attention
from stereojax.settings.train import TrainSettings
from stereojax.splat import choice
from stereojax.training import initial_model, inpaint_task
from stereojax.training.optimizer import make_optimizer
from stereojax.training.sharding import BATCH, make_mesh
from stereojax.training.state import abstract_state, split_trainable
from stereojax.training.step import INDEX, make_step
from stereojax.training.validation import make_validation_step

SETTINGS = TrainSettings(
    unet="random",
    vae="random",
    image_encoder="random",
    widths="64,128",
    dtype="bfloat16",
    frames=4,
    height=128,
    width=256,
    known_frames=2,
    batch=8,
    accumulate=2,
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", default="gpu,tpu", help="backends to compile for")
    targets = parser.parse_args(argv).targets.split(",")
    rows = []
    for target in targets:
        try:
            devices = described(target)
        except Exception as error:
            reason = line_of(error)[:200]
            print(f"{target}: skipped, its compiler is not installed ({reason})")
            continue
        with as_if_on(target):
            for name, traced in programs(make_mesh(2, devices=devices)):
                start = time.perf_counter()
                program = traced.lower().compile()
                row = {"target": target, "program": name}
                row["compile_s"] = time.perf_counter() - start
                row["temp_MB"] = program.memory_analysis().temp_size_in_bytes / 1e6
                text = program.as_text()
                row["pallas"] = text.count("mosaic_gpu_v2") + text.count(
                    'custom_call_target="tpu_custom_call"'
                )
                rows.append(row)
                print(measure.table(rows[-1:]), flush=True)
    if rows:
        print("written:", measure.save("aot_small", rows))


def described(target: str) -> list[Any]:
    """Returns descriptions of four devices, for the compiler."""
    if target == "gpu":
        topology = topologies.get_topology_desc(
            "H200", "cuda", topology="1x1x4", target_config=aot.H200
        )
    else:
        topology = topologies.get_topology_desc("v5e:2x2", "tpu")
    return list(topology.devices)


@contextlib.contextmanager
def as_if_on(platform: str) -> Iterator[None]:
    """Makes choices that depend on the platform as if it were `platform`."""
    with (
        mock.patch.object(choice, "default_platform", lambda: platform),
        mock.patch.object(choice, "_unusable", lambda *_: ""),
        mock.patch.object(attention, "CPU_BYTES", attention.ACCELERATOR_BYTES),
    ):
        yield


def programs(mesh: Any) -> Iterator[tuple[str, Any]]:
    """Yields the traced update and the traced validation, with their names."""
    initial = initial_model.load_initial_model(SETTINGS, root=Path("nowhere"))
    optimizer = make_optimizer(SETTINGS)
    state = abstract_state(
        *split_trainable(initial.arrays, inpaint_task.TRAINABLE), optimizer, mesh
    )
    structure, loss = initial.structure, inpaint_task.loss(SETTINGS)
    step = make_step(
        structure, loss, optimizer, mesh, state, accumulate=SETTINGS.accumulate
    )
    yield "update", step.trace(state, batch(SETTINGS.batch, mesh))
    validation = make_validation_step(
        structure, inpaint_task.validate(SETTINGS), mesh, state
    )
    yield (
        "validation",
        validation.trace(
            state.trainable, state.frozen, state.rng, batch(mesh.size, mesh)
        ),
    )


def batch(samples: int, mesh: Any) -> dict[str, jax.ShapeDtypeStruct]:
    sharding = NamedSharding(mesh, BATCH)
    shape = (samples, SETTINGS.frames, SETTINGS.height, SETTINGS.width)
    return {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)
        for name, shape, dtype in (
            ("left", (*shape, 3), jnp.uint8),
            ("right", (*shape, 3), jnp.uint8),
            ("disparity", shape, jnp.float32),
            (INDEX, (samples,), jnp.int32),
        )
    }


if __name__ == "__main__":
    main()

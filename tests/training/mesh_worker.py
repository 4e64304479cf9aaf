"""Makes 5 SGD updates on each mesh; writes the first gradients and all losses.

python mesh_worker.py OUT 1x1 2x4          on 8 simulated devices
python mesh_worker.py OUT 2x2 PORT RANK    as one of two processes of 2 devices each
"""

import sys

import jax
import numpy as np
import optax
import tiny_training
from jax.experimental import multihost_utils

from stereojax.training import inpaint_task
from stereojax.training.multihost.processes import join_processes
from stereojax.training.sharding import make_mesh, put_batch
from stereojax.training.state import make_state, split_trainable
from stereojax.training.step import make_step

jax.config.update("jax_default_matmul_precision", "highest")


def run(data: int, fsdp: int, accumulate: int) -> dict[str, np.ndarray]:
    """Returns the first update's gradients by name, and the loss of each update."""
    settings = tiny_training.SETTINGS
    initial = tiny_training.initial_model()
    mesh = make_mesh(fsdp, devices=jax.devices()[: data * fsdp])
    # SGD whose optimizer state is the last gradient.
    optimizer = optax.chain(optax.trace(decay=0.0), optax.scale(-1e-2))
    state = make_state(
        *split_trainable(initial.arrays, inpaint_task.TRAINABLE),
        optimizer,
        mesh,
        seed=0,
    )
    step = make_step(
        initial.structure,
        inpaint_task.loss(settings),
        optimizer,
        mesh,
        state,
        accumulate=accumulate,
    )
    results, losses, norms = {}, [], []
    for number in range(5):
        samples = tiny_training.batch(number)
        share = settings.batch // jax.process_count()
        start = jax.process_index() * share
        samples = {name: x[start : start + share] for name, x in samples.items()}
        state, metrics = step(state, put_batch(samples, mesh))
        if number == 0:
            for name, gradient in state.optimizer[0].trace.items():
                gathered = multihost_utils.process_allgather(gradient, tiled=True)
                results[name] = np.asarray(gathered)
        losses.append(float(metrics["loss"]))
        norms.append(float(metrics["gradient_norm"]))
    shards = state.trainable["unet.conv_out.kernel"].addressable_shards
    return results | {
        "losses": np.array(losses),
        "norms": np.array(norms),
        "share": np.array(shards[0].data.size),
    }


def main() -> None:
    out, *meshes = sys.argv[1:]
    if meshes[-1].isdigit():
        port, rank = meshes[-2:]
        meshes = meshes[:-2]
        join_processes(f"localhost:{port}", 2, int(rank))
        assert jax.device_count() == 4 and jax.local_device_count() == 2
    for name in meshes:
        sizes, _, accumulate = name.partition("+")
        data, fsdp = map(int, sizes.split("x"))
        results = run(data, fsdp, int(accumulate or 1))
        if jax.process_index() == 0:
            np.savez(f"{out}-{name}.npz", **results)


if __name__ == "__main__":
    main()

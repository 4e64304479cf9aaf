"""Where arrays lie: a mesh (data, fsdp), and rules on names and shapes.

Samples are spread over all devices. Parameters, gradients and the optimizer's state are
spread over `fsdp` and repeated over `data`: ZeRO's third stage, in whole networks.
"""

import math
import socket
import zlib
from collections.abc import Mapping
from typing import Any, Literal

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from stereojax.cli import InputError
from stereojax.shapes import Array
from stereojax.training.rules import Rules, apply_rules

DATA, FSDP = "data", "fsdp"
SAMPLES = PartitionSpec((DATA, FSDP))  # the batch axis, over every device
REPEATED = PartitionSpec()

Placement = Literal["split", "repeat"]
# `split` is along the longest axis that the devices divide; where none is, `repeat`.
PLACEMENTS: Rules[Placement] = (
    (r".*\.mix_factor", "repeat"),
    (r".*\.(kernel|embedding|bias|scale|class_embedding)", "split"),
)


def make_mesh(fsdp: int = 0, *, devices: list[Any] | None = None) -> Mesh:
    """All devices as (data, fsdp); `fsdp` 0 is as many as a host has.

    Raises:
      InputError: `fsdp` does not divide the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    fsdp = fsdp or len(devices) // jax.process_count() * _processes_of_a_host()
    if len(devices) % fsdp:
        raise InputError(
            f"config.train.fsdp={fsdp}: expected a divisor of the {len(devices)} "
            "devices"
        )
    return Mesh(np.array(devices).reshape(-1, fsdp), (DATA, FSDP))


def _processes_of_a_host() -> int:
    """How many share a machine; the most that divides all of them, where it differs."""
    if jax.process_count() == 1:
        return 1
    mine = np.uint32(zlib.crc32(socket.gethostname().encode()))
    _, counts = np.unique(multihost_utils.process_allgather(mine), return_counts=True)
    return math.gcd(*counts.tolist())


def place(
    shapes: Mapping[str, Any], mesh: Mesh | AbstractMesh
) -> dict[str, PartitionSpec]:
    """The partition of each array, by its name and its shape.

    Raises:
      ValueError: a name that no rule covers.
    """
    placements = apply_rules(PLACEMENTS, shapes, what="sharding")
    return {
        name: _along(shapes[name].shape, mesh.shape[FSDP])
        if placement == "split"
        else REPEATED
        for name, placement in placements.items()
    }


def _along(shape: tuple[int, ...], devices: int) -> PartitionSpec:
    fitting = [i for i, size in enumerate(shape) if size % devices == 0]
    if devices == 1 or not fitting:
        return REPEATED
    axis = max(fitting, key=lambda i: (shape[i], i))
    return PartitionSpec(*(FSDP if i == axis else None for i in range(axis + 1)))


def split_axis(spec: PartitionSpec) -> int | None:
    """The axis that lies over `fsdp`."""
    return next((i for i, name in enumerate(spec) if name == FSDP), None)


def named(mesh: Mesh, specs: Any) -> Any:
    """A tree of partitions as shardings."""
    return jax.tree.map(
        lambda spec: NamedSharding(mesh, spec),
        specs,
        is_leaf=lambda x: isinstance(x, PartitionSpec),
    )


def put(array: np.ndarray | Array, sharding: NamedSharding) -> Array:
    """A host's array, the same on every process, on the devices."""
    array = np.asarray(array)
    return jax.make_array_from_callback(
        array.shape, sharding, lambda index: array[index]
    )


def put_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, Array]:
    """This process's samples as its part of the batch of all processes."""
    sharding = NamedSharding(mesh, SAMPLES)
    return {
        name: jax.make_array_from_process_local_data(sharding, array)
        for name, array in batch.items()
    }

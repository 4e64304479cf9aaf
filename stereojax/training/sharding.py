"""The device mesh (data, fsdp), and rules that map parameter names to shardings.

Samples are sharded over all devices. Parameters, gradients and the optimizer state are
sharded over `fsdp` and replicated over `data`: ZeRO stage 3, with one all-gather of the
parameters per update.
"""

import math
import re
import socket
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from stereojax.cli import InputError
from stereojax.shapes import Array

T = TypeVar("T")
Rules = Sequence[tuple[str, T]]  # (regular expression on the full name, value)

DATA, FSDP = "data", "fsdp"
BATCH = PartitionSpec((DATA, FSDP))  # the batch axis, over all devices
REPLICATED = PartitionSpec()

Placement = Literal["split", "replicate"]
# `split` shards the longest axis whose size is a multiple of the number of devices; a
# parameter without such an axis is replicated.
PLACEMENTS: Rules[Placement] = (
    (r".*\.mix_factor", "replicate"),
    (r".*\.(kernel|embedding|bias|scale|class_embedding)", "split"),
)


def apply_rules(rules: Rules[T], names: Iterable[str], *, what: str) -> dict[str, T]:
    """Returns for each name the value of the first rule that matches the full name.

    >>> apply_rules([(r".*bias", 0), (r"conv.*", 1)], ["conv.bias"], what="example")
    {'conv.bias': 0}

    Args:
      what: name of the rules in the error text, such as "sharding".

    Raises:
      ValueError: lists the names that no rule matches.
    """
    compiled = [(re.compile(pattern), value) for pattern, value in rules]
    values, uncovered = {}, []
    for name in names:
        for pattern, value in compiled:
            if pattern.fullmatch(name):
                values[name] = value
                break
        else:
            uncovered.append(name)
    if uncovered:
        shown = ", ".join(uncovered[:8]) + (" ..." if len(uncovered) > 8 else "")
        raise ValueError(
            f"{len(uncovered)} parameters are not covered by any {what} rule: {shown}"
        )
    return values


def make_mesh(fsdp: int = 0, *, devices: list[Any] | None = None) -> Mesh:
    """Arranges all devices as (data, fsdp); `fsdp` 0 means the devices of one host.

    Raises:
      InputError: `fsdp` does not divide the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    fsdp = fsdp or len(devices) // jax.process_count() * _processes_per_host()
    if len(devices) % fsdp:
        raise InputError(
            f"config.train.fsdp={fsdp}: expected a divisor of the {len(devices)} "
            "devices"
        )
    return Mesh(np.array(devices).reshape(-1, fsdp), (DATA, FSDP))


def _processes_per_host() -> int:
    """Returns the number of processes per host; if hosts differ, their gcd."""
    if jax.process_count() == 1:
        return 1
    host = np.uint32(zlib.crc32(socket.gethostname().encode()))
    _, counts = np.unique(multihost_utils.process_allgather(host), return_counts=True)
    return math.gcd(*counts.tolist())


def param_specs(
    shapes: Mapping[str, Any], mesh: Mesh | AbstractMesh
) -> dict[str, PartitionSpec]:
    """Returns the PartitionSpec of each parameter, from its name and shape.

    Raises:
      ValueError: a name that no rule matches.
    """
    placements = apply_rules(PLACEMENTS, shapes, what="sharding")
    return {
        name: _split_longest(shapes[name].shape, mesh.shape[FSDP])
        if placement == "split"
        else REPLICATED
        for name, placement in placements.items()
    }


def _split_longest(shape: tuple[int, ...], devices: int) -> PartitionSpec:
    """Shards the longest divisible axis over `fsdp`; replicates if there is none."""
    divisible = [i for i, size in enumerate(shape) if size % devices == 0]
    if devices == 1 or not divisible:
        return REPLICATED
    axis = max(divisible, key=lambda i: (shape[i], i))
    return PartitionSpec(*(FSDP if i == axis else None for i in range(axis + 1)))


def fsdp_axis(spec: PartitionSpec) -> int | None:
    """Returns the axis that is split over `fsdp`, or None if replicated."""
    return next((i for i, name in enumerate(spec) if name == FSDP), None)


def named_shardings(mesh: Mesh, specs: Any) -> Any:
    """Turns a tree of PartitionSpecs into a tree of NamedShardings."""
    return jax.tree.map(
        lambda spec: NamedSharding(mesh, spec),
        specs,
        is_leaf=lambda x: isinstance(x, PartitionSpec),
    )


def put_array(array: np.ndarray | Array, sharding: NamedSharding) -> Array:
    """Puts a host array, which is equal on all processes, on the devices."""
    array = np.asarray(array)
    return jax.make_array_from_callback(
        array.shape, sharding, lambda index: array[index]
    )


def put_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, Array]:
    """Puts this process's samples on its devices, as its shard of the global batch."""
    sharding = NamedSharding(mesh, BATCH)
    return {
        name: jax.make_array_from_process_local_data(sharding, array)
        for name, array in batch.items()
    }

"""Compiles the splat for an H200 and a TPU v5e, without these devices.

    make aot

Compiling ahead of time needs the backends' wheels, not the devices: jax-cuda13-plugin
and jax-cuda13-pjrt of jax's own version, and libtpu. Prints, for a 1080p and a 4K
frame, the memory of the program without inputs and outputs, and the kernels
that the program launches; writes benchmarks/results/aot.json. A backend whose wheel is
missing is skipped.

The body of a Mosaic GPU kernel is compiled when a GPU loads the program, so this
benchmark cannot measure its registers or its speed.
"""

import argparse
import collections
import functools
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

# Both must be set before the backends load.
os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks import measure
from stereojax.cli import line_of
from stereojax.splat import forward_splat
from stereojax.splat.workloads import SIZES

H200 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  shared_memory_per_block: 49152 shared_memory_per_core: 233472
  shared_memory_per_block_optin: 232448
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 4800000000000 l2_cache_size: 52428800
  device_memory_size: 150000000000
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 12 }
device_description_str: "NVIDIA H200"
"""
TARGETS = {
    "H200": ("pallas_gpu", "xla_scatter", "xla_gather"),
    "TPU v5e": ("pallas_tpu", "xla_gather"),
}
COMPOSITINGS = ("published", "coverage")
# On a GPU, coverage compositing uses `xla_scatter` only if it is asked for.
UNUSED = {("H200", "xla_scatter", "coverage")}
# Operations of an optimised program that launch no kernel.
NO_KERNEL = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", default="1080p,4k", help=f"frame sizes from {[*SIZES]}"
    )
    sizes = parser.parse_args(argv).sizes.split(",")
    rows = []
    for target, implementations in TARGETS.items():
        try:
            device = described(target)
        except Exception as error:
            reason = line_of(error)[:200]
            print(f"{target}: skipped, its compiler is not installed ({reason})")
            continue
        for implementation in implementations:
            for size, compositing in itertools.product(sizes, COMPOSITINGS):
                if (target, implementation, compositing) in UNUSED:
                    continue
                program = compiled(device, implementation, SIZES[size], compositing)
                row = {"target": target, "size": size, "implementation": implementation}
                rows.append(row | {"compositing": compositing} | facts(program))
    if rows:
        print(measure.table(rows))
        print("written:", measure.save("aot", rows))


def described(target: str) -> Any:
    """Returns an abstract device to compile for."""
    if target == "H200":
        topology = topologies.get_topology_desc(
            target, "cuda", topology="1x1x1", target_config=H200
        )
    else:
        topology = topologies.get_topology_desc("v5e:2x2", "tpu")
    return topology.devices[0]


def compiled(
    device: Any, implementation: str, size: tuple[int, int], compositing: str
) -> Any:
    """Compiles one frame's splat for `device`."""
    sharding = NamedSharding(Mesh([device], ("x",)), PartitionSpec())
    image = jax.ShapeDtypeStruct((*size, 3), jnp.float32, sharding=sharding)
    disparity = jax.ShapeDtypeStruct(size, jnp.float32, sharding=sharding)
    splat = jax.jit(
        functools.partial(
            forward_splat, implementation=implementation, compositing=compositing
        )
    )
    return splat.lower(image, disparity).compile()


def facts(program: Any) -> dict[str, Any]:
    """Returns the columns for the memory and the kernels of a compiled program."""
    text = program.as_text()
    counts = collections.Counter(operations(text))
    return {
        "temp_MB": program.memory_analysis().temp_size_in_bytes / 1e6,
        "kernels": sum(counts.values()),
        "pallas": counts["mosaic_gpu_v2"] + counts["tpu_custom_call"],
        "sorts": len(re.findall(r" sort\(", text)),
        "scatters": len(re.findall(r" scatter\(", text)),
        "what": ", ".join(f"{n} {name}" for name, n in sorted(counts.items())),
    }


def operations(text: str) -> Iterator[str]:
    """Yields the operations of an optimised HLO module that launch a kernel."""
    entry = re.search(r"^ENTRY .*?\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    for line in entry.group(1).splitlines():
        _, _, value = line.partition(" = ")
        operation = re.search(r"(?:^|[\s)}\]])([a-z][\w-]*)\(", value)
        if operation is None or operation.group(1) in NO_KERNEL:
            continue
        target = re.search(r'custom_call_target="([^"]+)"', line)
        yield target.group(1) if target else operation.group(1)


if __name__ == "__main__":
    main()

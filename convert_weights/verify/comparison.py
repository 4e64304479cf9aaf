"""The published network, run by diffusers, beside ours on the same inputs."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from flax import nnx

from convert_weights.sources import Checkpoint
from convert_weights.table import Table, pieces
from convert_weights.verify.verify_inputs import Pass, passes
from stereojax.svd.networks import build
from stereojax.weights import fill
from stereojax.weights.names import State

Records = dict[str, np.ndarray]  # by stage; channels last


def compare(
    name: str, sizes: dict[str, Any], state: State, reference: Callable[[], Any]
) -> Iterator[tuple[str, float]]:
    """Yields each stage and its relative error, max |ours - theirs| / max |theirs|.

    Everything is float32. `reference` makes the torch module; it is gone before ours is
    made, so that only one of them is in memory.
    """
    ways = passes(name, sizes)
    theirs = _run_torch(reference(), ways)
    model = fill(build(name, sizes), state, what=name)
    for way, expected in zip(ways, theirs, strict=True):
        with jax.default_matmul_precision("highest"):
            actual = _run(model, way)
        for stage, value in expected.items():
            yield stage, _error(np.asarray(actual[stage]), value)


def reference_of(name: str, checkpoint: Checkpoint, table: Table) -> Any:
    """The published network as diffusers or transformers builds it, float32.

    Raises:
      RuntimeError: a tensor that the network has is not in the checkpoint.
    """
    import diffusers
    import torch
    import transformers

    config = {k: v for k, v in checkpoint.config.items() if not k.startswith("_")}
    if name.startswith("CLIP"):
        network = transformers.CLIPVisionModelWithProjection(
            transformers.CLIPVisionConfig(**config)
        )
    else:
        network = getattr(diffusers, name).from_config(config)
    sources = {
        piece.target: piece.source for piece in pieces(checkpoint.tensors.shapes, table)
    }
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key not in sources:
                raise RuntimeError(f"{checkpoint.label}: {key} is missing")
            array = checkpoint.tensors.read(sources[key])
            tensor.copy_(torch.from_numpy(array.astype(np.float32)))
    return network.float().eval()


def _run_torch(network: Any, ways: list[Pass]) -> list[Records]:
    import torch

    modules = dict(network.named_modules())
    return [_run_torch_pass(torch, network, modules, way) for way in ways]


def _run_torch_pass(torch: Any, network: Any, modules: Any, way: Pass) -> Records:
    records: Records = {}

    def note(stage: str) -> Callable[..., None]:
        def hook(module: Any, given: Any, out: Any) -> None:
            out = _first(out)
            out = out.movedim(1, -1) if out.ndim >= 4 else out
            records[stage] = out.numpy()

        return hook

    hooks = [modules[s].register_forward_hook(note(s)) for s in way.stages]
    with torch.no_grad():
        out = way.theirs(network, *map(torch.from_numpy, way.inputs))
    for hook in hooks:
        hook.remove()
    return {**records, way.name: out.numpy()}


class _Noting(nnx.Module):
    """A layer whose output is noted."""

    def __init__(self, layer: nnx.Module, note: Callable[[Any], None]):
        self.layer, self.note = layer, note

    def __call__(self, *args: Any) -> Any:
        out = self.layer(*args)
        self.note(_first(out))
        return out


def _run(model: nnx.Module, way: Pass) -> dict[str, jax.Array]:
    @jax.jit
    def run(model: nnx.Module, *inputs: jax.Array) -> dict[str, jax.Array]:
        records = {}  # filled while this is traced
        for stage in way.stages:
            _wrap(
                model, stage.split("."), lambda out, s=stage: records.update({s: out})
            )
        return {way.name: way.ours(model, *inputs), **records}

    return run(model, *way.inputs)


def _wrap(node: Any, path: list[str], note: Callable[[Any], None]) -> None:
    """Puts `_Noting` around the layer at `path`."""
    *parents, last = path
    for key in parents:
        node = node[int(key)] if key.isdigit() else getattr(node, key)
    if last.isdigit():
        node[int(last)] = _Noting(node[int(last)], note)
    else:
        setattr(node, last, _Noting(getattr(node, last), note))


def _first(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


def _error(actual: np.ndarray, expected: np.ndarray) -> float:
    """NaN where either is not finite."""
    difference = np.abs(actual.reshape(-1) - expected.reshape(-1)).max()
    return float(difference / np.abs(expected).max())

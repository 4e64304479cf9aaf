"""Compares the outputs of a published PyTorch network and its converted Flax copy."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from flax import nnx

from convert_weights.engine import Table, map_tensors
from convert_weights.sources import Checkpoint
from convert_weights.verify.forward_passes import ForwardPass, forward_passes
from stereojax.svd.networks import build
from stereojax.weights import load_state
from stereojax.weights.names import State

Outputs = dict[str, np.ndarray]  # by stage (a layer, or the whole pass); channels last


def compare(
    name: str, sizes: dict[str, Any], state: State, reference: Callable[[], Any]
) -> Iterator[tuple[str, float]]:
    """Yields (stage, relative error) for the output and for each recorded layer.

    The error is max |actual - expected| / max |expected|. Both networks compute in
    float32.

    Args:
      reference: builds the PyTorch module, which is freed before the Flax network is
        built: memory holds one network at a time.
    """
    passes = forward_passes(name, sizes)
    expected_outputs = _run_torch(reference(), passes)
    model = load_state(build(name, sizes), state, what=name)
    for forward, expected in zip(passes, expected_outputs, strict=True):
        with jax.default_matmul_precision("highest"):
            actual = _run_flax(model, forward)
        for stage, value in expected.items():
            yield stage, _error(np.asarray(actual[stage]), value)


def build_reference(name: str, checkpoint: Checkpoint, table: Table) -> Any:
    """Builds the published network with diffusers or transformers, in float32.

    Raises:
      RuntimeError: the checkpoint lacks a tensor of the network.
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
    mappings = map_tensors(checkpoint.tensors.shapes, table)
    sources = {mapping.target: mapping.source for mapping in mappings}
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key not in sources:
                raise RuntimeError(f"{checkpoint.label}: {key} is missing")
            array = checkpoint.tensors.read(sources[key])
            tensor.copy_(torch.from_numpy(array.astype(np.float32)))
    return network.float().eval()


def _run_torch(network: Any, passes: list[ForwardPass]) -> list[Outputs]:
    import torch

    modules = dict(network.named_modules())
    return [_run_torch_pass(torch, network, modules, forward) for forward in passes]


def _run_torch_pass(
    torch: Any, network: Any, modules: Any, forward: ForwardPass
) -> Outputs:
    outputs: Outputs = {}

    def recorder(stage: str) -> Callable[..., None]:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            output = _first(output)
            output = output.movedim(1, -1) if output.ndim >= 4 else output
            outputs[stage] = output.numpy()

        return hook

    hooks = [modules[s].register_forward_hook(recorder(s)) for s in forward.stages]
    with torch.no_grad():
        output = forward.run_torch(network, *map(torch.from_numpy, forward.inputs))
    for hook in hooks:
        hook.remove()
    return {**outputs, forward.name: output.numpy()}


class _Recorded(nnx.Module):
    """Calls `layer`, and passes its output to `record` before returning it."""

    def __init__(self, layer: nnx.Module, record: Callable[[Any], None]):
        self.layer, self.record = layer, record

    def __call__(self, *args: Any) -> Any:
        output = self.layer(*args)
        self.record(_first(output))
        return output


def _run_flax(model: nnx.Module, forward: ForwardPass) -> dict[str, jax.Array]:
    @jax.jit
    def run(model: nnx.Module, *inputs: jax.Array) -> dict[str, jax.Array]:
        outputs = {}  # filled during tracing
        for stage in forward.stages:
            _wrap(
                model, stage.split("."), lambda out, s=stage: outputs.update({s: out})
            )
        return {forward.name: forward.run_flax(model, *inputs), **outputs}

    return run(model, *forward.inputs)


def _wrap(node: Any, path: list[str], record: Callable[[Any], None]) -> None:
    """Wraps the layer at `path` in `_Recorded`."""
    *parents, last = path
    for key in parents:
        node = node[int(key)] if key.isdigit() else getattr(node, key)
    if last.isdigit():
        node[int(last)] = _Recorded(node[int(last)], record)
    else:
        setattr(node, last, _Recorded(getattr(node, last), record))


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Returns the relative error; NaN if a value is not finite."""
    difference = np.abs(actual.reshape(-1) - expected.reshape(-1)).max()
    return float(difference / np.abs(expected).max())

"""Counts the model FLOPs of one update, for MFU (model FLOPs utilization)."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.extend

from stereojax.training.state import TrainState
from stereojax.training.step import INDEX, Batch, Loss
from stereojax.weights.structure import ModelStructure

# Dense bfloat16 FLOP/s of one device, from the vendors' data sheets.
_PEAKS = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5e": 197e12,
    "TPU v5": 459e12,
    "TPU v6": 918e12,
}

_FUSED_ATTENTION = (
    "dot_product_attention"  # cuDNN's: a custom call without an inner jaxpr
)


def peak_flops(device_kind: str) -> float | None:
    """Returns the peak FLOP/s of a device; None if unknown, as for a CPU."""
    return next((f for name, f in _PEAKS.items() if name in device_kind), None)


def flops_of(
    structure: ModelStructure, loss: Loss, state: TrainState, batch: Batch
) -> float:
    """Counts the operations of one update on all devices."""
    trainable, frozen, samples = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype),
        (state.trainable, state.frozen, dict(batch)),
    )
    count = len(batch[INDEX])
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), count))
    traced = jax.make_jaxpr(
        lambda trainable, frozen, batch, keys: loss(
            structure.model(trainable | frozen), batch, keys
        )[0].mean()
    )(trainable, frozen, samples, keys)
    inputs = len(traced.jaxpr.invars)
    return update_flops(traced, [i < len(trainable) for i in range(inputs)])


def update_flops(jaxpr: Any, trains: Sequence[bool]) -> float:
    """Counts the operations of a loss and its gradient from the jaxpr of the loss.

    The gradient of a product needs one product for each operand that depends on a
    trainable input. Recomputation (remat) does not count.

    Args:
      trains: for each input, whether it is trainable.
    """
    total, _ = _walk(getattr(jaxpr, "jaxpr", jaxpr), list(trains))
    return total


def _walk(jaxpr: Any, trains: list[bool]) -> tuple[float, list[bool]]:
    """Returns (operations, whether each output depends on a trainable input)."""
    depends = dict(zip(jaxpr.invars, trains, strict=True))

    def depend(variables: list) -> list[bool]:
        return [not hasattr(v, "val") and depends.get(v, False) for v in variables]

    total = 0.0
    for equation in jaxpr.eqns:
        inputs = depend(equation.invars)
        out = [any(inputs)] * len(equation.outvars)
        programs = [
            getattr(p, "jaxpr", p)
            for p in jax.extend.core.jaxprs_in_params(equation.params)
        ]
        if programs:
            inner, out = _inside(equation, programs[-1], inputs, out)
            total += inner
        elif _FUSED_ATTENTION in equation.primitive.name:
            # Two products, each with a gradient for both factors.
            total += _attention(equation) * (3 if any(inputs) else 1)
        else:
            total += _flops(equation) * (1 + sum(inputs))
        depends |= dict(zip(equation.outvars, out, strict=True))
    return total, depend(jaxpr.outvars)


def _inside(
    equation: Any, program: Any, inputs: list[bool], out: list[bool]
) -> tuple[float, list[bool]]:
    """Counts the operations of an equation's inner jaxpr, such as a scan's body."""
    # The first input of `cond`, the index of the branch, is not passed to the branch.
    inputs = inputs[len(inputs) - len(program.invars) :]
    if len(inputs) != len(program.invars):
        inputs = [any(out)] * len(program.invars)
    iterations = 1
    if equation.primitive.name == "scan":
        iterations = equation.params["length"]
        first, count = equation.params["num_consts"], equation.params["num_carry"]
        _, once = _walk(program, inputs)
        # A carry may depend on a trainable input from the second iteration on.
        carried = [a or b for a, b in zip(inputs[first:], once[:count], strict=False)]
        inputs = inputs[:first] + carried + inputs[first + count :]
    total, inner = _walk(program, inputs)
    return iterations * total, inner if len(inner) == len(out) else out


def _attention(equation: Any) -> float:
    """Counts both products of attention of "b n h d" queries and "b m h d" keys."""
    (b, n, h, d), (_, m, *_) = (x.aval.shape for x in equation.invars[:2])
    return 4.0 * b * n * m * h * d


def _flops(equation: Any) -> float:
    """Counts one equation without an inner jaxpr: matrix products and convolutions."""
    name = equation.primitive.name
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        out = equation.outvars[0].aval.shape
        return 2.0 * math.prod(out) * math.prod(left[i] for i in contracted)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        spec = equation.params["dimension_numbers"].rhs_spec
        taps = math.prod(kernel) / kernel[spec[0]]
        out = equation.outvars[0].aval.shape
        # Zeros inserted by the dilation of the input do not count.
        dilation = math.prod(equation.params["lhs_dilation"])
        return 2.0 * math.prod(out) * taps / dilation
    return 0.0

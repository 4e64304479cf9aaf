"""Floating-point operations of an update: what MFU is a share of."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.extend

from stereojax.training.state import TrainState
from stereojax.training.step import INDEX, Batch, Loss
from stereojax.weights.structure import ModelStructure

# Dense bfloat16 operations a second of one device, as the makers give them.
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

_FUSED_ATTENTION = "dot_product_attention"  # cuDNN's, which is no program but a call


def peak_flops(device_kind: str) -> float | None:
    """None for what is not known, such as a CPU."""
    return next((f for name, f in _PEAKS.items() if name in device_kind), None)


def flops_of(
    structure: ModelStructure, loss: Loss, state: TrainState, batch: Batch
) -> float:
    """Operations of an update on all devices."""
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
    """Of a loss and its gradient, given the program of the loss alone.

    The gradient multiplies once for each operand that depends on what trains. What is
    computed a second time to save memory does not count.

    Args:
      trains: of each input, whether gradients are asked for.
    """
    total, _ = _walk(getattr(jaxpr, "jaxpr", jaxpr), list(trains))
    return total


def _walk(jaxpr: Any, trains: list[bool]) -> tuple[float, list[bool]]:
    """(operations, which outputs depend on what trains)."""
    depends = dict(zip(jaxpr.invars, trains, strict=True))

    def of(variables: list) -> list[bool]:
        return [not hasattr(v, "val") and depends.get(v, False) for v in variables]

    total = 0.0
    for equation in jaxpr.eqns:
        given = of(equation.invars)
        out = [any(given)] * len(equation.outvars)
        programs = [
            getattr(p, "jaxpr", p)
            for p in jax.extend.core.jaxprs_in_params(equation.params)
        ]
        if programs:
            inner, out = _inside(equation, programs[-1], given, out)
            total += inner
        elif _FUSED_ATTENTION in equation.primitive.name:
            # Two products, each with a gradient for either factor.
            total += _attention(equation) * (3 if any(given) else 1)
        else:
            total += _flops(equation) * (1 + sum(given))
        depends |= dict(zip(equation.outvars, out, strict=True))
    return total, of(jaxpr.outvars)


def _inside(
    equation: Any, program: Any, given: list[bool], out: list[bool]
) -> tuple[float, list[bool]]:
    # A branch of `cond` is not given its number.
    given = given[len(given) - len(program.invars) :]
    if len(given) != len(program.invars):
        given = [any(out)] * len(program.invars)
    rounds = 1
    if equation.primitive.name == "scan":
        rounds = equation.params["length"]
        first, count = equation.params["num_consts"], equation.params["num_carry"]
        _, once = _walk(program, given)
        # What a round leaves to the next may depend where the first's did not.
        carried = [a or b for a, b in zip(given[first:], once[:count], strict=False)]
        given = given[:first] + carried + given[first + count :]
    total, inner = _walk(program, given)
    return rounds * total, inner if len(inner) == len(out) else out


def _attention(equation: Any) -> float:
    """Of queries "b n h d" and keys "b m h d", the first inputs: scores and values."""
    (b, n, h, d), (_, m, *_) = (x.aval.shape for x in equation.invars[:2])
    return 4.0 * b * n * m * h * d


def _flops(equation: Any) -> float:
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
        # Zeros that stand between the inputs are not multiplied.
        spread = math.prod(equation.params["lhs_dilation"])
        return 2.0 * math.prod(out) * taps / spread
    return 0.0

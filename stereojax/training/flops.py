"""Floating-point operations of a traced program: what MFU is a share of."""

import math
from typing import Any

import jax

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


def peak_flops(device_kind: str) -> float | None:
    """None for what is not known, such as a CPU."""
    return next((f for name, f in _PEAKS.items() if name in device_kind), None)


def count_flops(jaxpr: Any) -> float:
    """Of the matrix products and convolutions, once each.

    What is computed a second time on the way back, to save memory, is not counted: a
    region of `jax.checkpoint` occurs on the way there, and, marked as differentiated,
    with all that it holds on the way back.
    """
    plain = there = back = 0.0
    for times, equation in _equations(jaxpr, 1.0):
        if (
            "remat" in equation.primitive.name
            or equation.primitive.name == "checkpoint"
        ):
            inside = times * count_flops(equation.params["jaxpr"])
            if equation.params["differentiated"]:
                back += inside
            else:
                there += inside
        else:
            plain += times * _flops(equation)
    return plain + (back or there)


def _equations(jaxpr: Any, times: float):
    """All equations and how often each runs; not those inside of `jax.checkpoint`."""
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        yield times, equation
        name = equation.primitive.name
        if "remat" in name or name == "checkpoint":
            continue
        inner = jax.extend.core.jaxprs_in_params(equation.params)
        if name == "cond":  # one of them runs
            inner = list(inner)[-1:]
        rounds = equation.params["length"] if name == "scan" else 1
        for program in inner:
            yield from _equations(program, times * rounds)


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

"""A dataclass as a set of settings: every field knows its help and its range."""

import dataclasses
import math
from typing import Any, TypeVar, get_args

from stereojax.cli import InputError

S = TypeVar("S")


def setting(default: Any, help: str, *, low=None, high=None, choices=None) -> Any:
    """A dataclass field with what a flag and a check need to know of it."""
    meta = {"help": help, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=meta)


def field_type(field: dataclasses.Field) -> type:
    """The field's type without `| None`."""
    types = [t for t in get_args(field.type) if t is not type(None)]
    return types[0] if types else field.type


def checked(name: str, field: dataclasses.Field, value: Any) -> Any:
    """`value` as the field's type if it is one that the field accepts."""
    if value is None and field.default is None:
        return None
    meta, kind = field.metadata, field_type(field)
    number = kind in (int, float)
    try:
        typed = kind(value) if number or isinstance(value, kind) else None
        exact = not number or (not isinstance(value, bool) and typed == float(value))
    except (TypeError, ValueError, OverflowError):
        typed, exact = None, False
    if meta["choices"]:
        ok, want = typed in meta["choices"], "one of " + ", ".join(meta["choices"])
    elif number and meta["low"] is not None:
        ok = typed is not None and math.isfinite(typed) and exact
        ok = ok and meta["low"] <= typed <= meta["high"]
        whole = "a whole number" if kind is int else "a number"
        want = f"{whole} from {meta['low']:g} to {meta['high']:g}"
    else:
        ok, want = typed is not None and exact, f"a {kind.__name__}"
    if not ok:
        raise InputError(f"{name}={value}: expected {want}")
    return typed


def fill(cls: type[S], values: dict[str, Any], where: str) -> S:
    """A settings dataclass from plain values; an unknown or bad one is an error."""
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(
            f"{where}{unknown[0]} is not a setting; there are {', '.join(fields)}"
        )
    typed = {n: checked(f"{where}{n}", fields[n], v) for n, v in values.items()}
    return cls(**typed)


def describe(field: dataclasses.Field) -> str:
    """The help of a setting's flag: what it is, and what it takes."""
    meta = field.metadata
    if meta["choices"]:
        takes = f" ({', '.join(meta['choices'])})"
    elif meta["low"] is not None:
        takes = f" ({meta['low']:g} to {meta['high']:g})"
    else:
        takes = ""
    default = "" if field.default is None else f"; {field.default} by default"
    return f"{meta['help']}{takes}{default}"

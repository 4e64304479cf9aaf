"""Dataclass fields as settings: each with its help text and its accepted values."""

import dataclasses
import math
from typing import Any, TypeVar, get_args

from stereojax.cli import InputError

S = TypeVar("S")


def setting(default: Any, help: str, *, low=None, high=None, choices=None) -> Any:
    """Returns a dataclass field with its help text, range and choices."""
    meta = {"help": help, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=meta)


def field_type(field: dataclasses.Field) -> type:
    """Returns the field's type without `| None`."""
    types = [t for t in get_args(field.type) if t is not type(None)]
    return types[0] if types else field.type


def check_value(name: str, field: dataclasses.Field, value: Any) -> Any:
    """Returns `value` in the field's type.

    Raises:
      InputError: the field does not accept it; the line calls the field `name`.
    """
    if value is None and field.default is None:
        return None
    meta, kind = field.metadata, field_type(field)
    is_number = kind in (int, float)

    # Converts text to numbers; a number must survive the conversion unchanged.
    try:
        typed = kind(value) if is_number or isinstance(value, kind) else None
        exact = not is_number or (not isinstance(value, bool) and typed == float(value))
    except (TypeError, ValueError, OverflowError):
        typed, exact = None, False

    if meta["choices"]:
        ok, expected = typed in meta["choices"], "one of " + ", ".join(meta["choices"])
    elif is_number and meta["low"] is not None:
        ok = typed is not None and math.isfinite(typed) and exact
        ok = ok and meta["low"] <= typed <= meta["high"]
        number = "a whole number" if kind is int else "a number"
        expected = f"{number} from {meta['low']:.10g} to {meta['high']:.10g}"
    else:
        ok, expected = typed is not None and exact, f"a {kind.__name__}"
    if not ok:
        raise InputError(f"{name}={value}: expected {expected}")
    return typed


def make_settings(cls: type[S], values: dict[str, Any], prefix: str) -> S:
    """Returns a settings dataclass with these values, all checked.

    Raises:
      InputError: a value is unknown or not accepted; the line names it with `prefix`.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(
            f"{prefix}{unknown[0]} is not a setting; there are {', '.join(fields)}"
        )
    typed = {n: check_value(f"{prefix}{n}", fields[n], v) for n, v in values.items()}
    return cls(**typed)


def describe(field: dataclasses.Field) -> str:
    """Returns the help text of a setting's flag, with accepted values and default."""
    meta = field.metadata
    if meta["choices"]:
        accepted = f" ({', '.join(meta['choices'])})"
    elif meta["low"] is not None:
        accepted = f" ({meta['low']:.10g} to {meta['high']:.10g})"
    else:
        accepted = ""
    default = "" if field.default is None else f"; {field.default} by default"
    return f"{meta['help']}{accepted}{default}"

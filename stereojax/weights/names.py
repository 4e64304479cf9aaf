"""Converts between nested dictionaries of arrays and flat ones with dotted names.

`{"conv_in": {"kernel": x}}` is `{"conv_in.kernel": x}`; list entries are integers in
the nested form and digits in the flat one.
"""

from collections.abc import Mapping
from typing import Any

State = dict[Any, Any]  # nested; list entries are keyed by int; leaves are arrays


def flatten(state: State, prefix: str = "") -> dict[str, Any]:
    """Returns the arrays of a nested state by dotted name."""
    flat = {}
    for key, value in state.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def unflatten(arrays: Mapping[str, Any], prefix: str = "") -> State:
    """Returns the arrays whose names begin with `prefix`, nested, without `prefix`."""
    state: State = {}
    for name, array in arrays.items():
        if not name.startswith(prefix):
            continue
        keys = name.removeprefix(prefix).split(".")
        *path, last = [int(key) if key.isdigit() else key for key in keys]
        node = state
        for key in path:
            node = node.setdefault(key, {})
        node[last] = array
    return state

"""Converts PyTorch weights to StereoJAX parts: one strict engine, one table a model.

`convert` is imported when it is first used, so that `convert_weights.diffusers_folder`
can be imported without any converter.
"""

from typing import Any

__all__ = ["convert"]


def __getattr__(name: str) -> Any:
    if name != "convert":
        raise AttributeError(f"module 'convert_weights' has no attribute {name!r}")
    from convert_weights.conversion import convert

    return convert

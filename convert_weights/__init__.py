"""Converts PyTorch weights to StereoJAX: one strict engine, one table per model.

`convert` is imported at its first use, so that importing
`convert_weights.diffusers_folder` loads no converter.
"""

from typing import Any

__all__ = ["convert"]


def __getattr__(name: str) -> Any:
    if name != "convert":
        raise AttributeError(f"module 'convert_weights' has no attribute {name!r}")
    from convert_weights.conversion import convert

    return convert

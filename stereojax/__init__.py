"""Converts 2D video to stereoscopic 3D, in JAX.

    import stereojax

    stereojax.convert("film.mp4", "film_3d.mp4", divergence=2.5)

The names below are imported at their first use: `stereojax.splat`, `svd`, `depth` and
`ops` need only jax, flax and numpy.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "convert": "stereojax.inference.api",
    "forward_splat": "stereojax.splat",
    "InputError": "stereojax.cli",
    "RunError": "stereojax.cli",
}

__all__ = ["InputError", "RunError", "__version__", "convert", "forward_splat"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'stereojax' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)

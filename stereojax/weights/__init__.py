"""Weights on disk: one root, one folder a part, strictly loaded.

A part is `config.json` and an Orbax checkpoint in `arrays`; `convert_weights` makes it.
"""

from stereojax.weights.load_network import (
    check_class,
    compute_dtype,
    fill,
    load_network,
)
from stereojax.weights.part import fingerprint, load, read_config, save
from stereojax.weights.root import command, find, require, trained_part
from stereojax.weights.root import weights_root as root

__all__ = [
    "check_class",
    "command",
    "compute_dtype",
    "fill",
    "find",
    "fingerprint",
    "load",
    "load_network",
    "read_config",
    "require",
    "root",
    "save",
    "trained_part",
]

"""Weights on disk: one root folder, one subfolder per part, loaded strictly.

A part is `config.json` and an Orbax checkpoint in `arrays`; `convert_weights` and
training write parts.
"""

from stereojax.weights.load_network import (
    check_class,
    compute_dtype,
    load_network,
    load_state,
)
from stereojax.weights.part import fingerprint, load, read_config, save
from stereojax.weights.root import convert_command, find, require, trained_part
from stereojax.weights.root import weights_root as root

__all__ = [
    "check_class",
    "compute_dtype",
    "convert_command",
    "find",
    "fingerprint",
    "load",
    "load_network",
    "load_state",
    "read_config",
    "require",
    "root",
    "save",
    "trained_part",
]

"""Weights on disk: one root, one folder a part, strictly loaded.

A part is `config.json` and an Orbax checkpoint in `arrays`; `convert_weights` makes it.
"""

from stereojax.weights.fill import fill
from stereojax.weights.part import fingerprint, load, read_config, save
from stereojax.weights.root import command, find, require
from stereojax.weights.root import weights_root as root

__all__ = [
    "command",
    "fill",
    "find",
    "fingerprint",
    "load",
    "read_config",
    "require",
    "root",
    "save",
]

"""Matchers by name."""

from stereojax.cli import InputError
from stereojax.matching.contract import Matcher
from stereojax.matching.sgbm import Sgbm

MATCHERS = {"sgbm": Sgbm}


def choose(name: str) -> Matcher:
    """The matcher called `name`."""
    if name not in MATCHERS:
        raise InputError(f"matcher {name}: there are {', '.join(MATCHERS)}")
    return MATCHERS[name]()

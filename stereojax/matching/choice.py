"""The stereo matchers by name."""

from stereojax.cli import InputError
from stereojax.matching.contract import Matcher
from stereojax.matching.sgbm import Sgbm

MATCHERS = {"sgbm": Sgbm}


def choose_matcher(name: str) -> Matcher:
    """Returns the matcher called `name`, with its default settings."""
    if name not in MATCHERS:
        raise InputError(f"matcher {name}: expected one of {', '.join(MATCHERS)}")
    return MATCHERS[name]()

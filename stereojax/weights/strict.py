"""Strict comparison of arrays with a network: every problem in one error."""

from collections.abc import Mapping
from typing import Any

from stereojax.cli import InputError

Shape = tuple[int, ...]


class Problems:
    """Collects missing, misshapen and unused arrays; `check` raises them together."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def missing(self, name: str, shape: Shape) -> None:
        self._found.append(f"missing {name} {shape}")

    def misshapen(self, name: str, shape: Shape, expected: Shape) -> None:
        self._found.append(f"shape {name} {shape} where {expected} was expected")

    def unused(self, name: str, shape: Shape) -> None:
        self._found.append(f"unused {name} {shape}")

    def check(self, doing: str) -> None:
        """Raises InputError if there are problems; `doing`: such as "loading unet"."""
        if count := len(self._found):
            noun = "problem" if count == 1 else "problems"
            raise InputError(f"{count} {noun} {doing}: {'; '.join(self._found)}")


def check_arrays(
    given: Mapping[str, Any], expected: Mapping[str, Any], *, what: str
) -> dict[str, Any]:
    """Returns the given arrays in the order of `expected`.

    Args:
      given: arrays by dotted name.
      expected: anything with a shape, by dotted name.
      what: the network's name, for the error.

    Raises:
      InputError: every missing, misshapen or unused array, in one line.
    """
    problems = Problems()
    for name, like in expected.items():
        if name not in given:
            problems.missing(name, like.shape)
        elif given[name].shape != like.shape:
            problems.misshapen(name, given[name].shape, like.shape)
    for name, array in given.items():
        if name not in expected:
            problems.unused(name, array.shape)
    problems.check(f"loading {what}")
    return {name: given[name] for name in expected}

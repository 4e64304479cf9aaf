"""Checks that arrays match a network; one error lists every mismatch."""

from collections.abc import Mapping
from typing import Any

from stereojax.cli import InputError

Shape = tuple[int, ...]


class Problems:
    """Collects missing, unused and wrongly shaped arrays; `check` raises one error."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def missing(self, name: str, shape: Shape) -> None:
        self._lines.append(f"missing {name} {shape}")

    def wrong_shape(self, name: str, shape: Shape, expected: Shape) -> None:
        self._lines.append(f"shape {name} {shape} where {expected} was expected")

    def unused(self, name: str, shape: Shape) -> None:
        self._lines.append(f"unused {name} {shape}")

    def check(self, action: str) -> None:
        """Raises InputError if there are problems.

        Args:
          action: the operation to name in the error, such as "loading unet".
        """
        if count := len(self._lines):
            noun = "problem" if count == 1 else "problems"
            raise InputError(f"{count} {noun} {action}: {'; '.join(self._lines)}")


def check_arrays(
    arrays: Mapping[str, Any], expected: Mapping[str, Any], *, what: str
) -> dict[str, Any]:
    """Returns the arrays in the order of `expected`.

    Args:
      arrays: arrays by dotted name.
      expected: arrays or abstract arrays by dotted name; only shapes are compared.
      what: the network's name, for the error.

    Raises:
      InputError: lists every missing, unused or wrongly shaped array.
    """
    problems = Problems()
    for name, like in expected.items():
        if name not in arrays:
            problems.missing(name, like.shape)
        elif arrays[name].shape != like.shape:
            problems.wrong_shape(name, arrays[name].shape, like.shape)
    for name, array in arrays.items():
        if name not in expected:
            problems.unused(name, array.shape)
    problems.check(f"loading {what}")
    return {name: arrays[name] for name in expected}

"""Reads a published config.json strictly: unsupported settings are refused."""

from typing import Any

from convert_weights.sources import Checkpoint
from stereojax.cli import InputError


class PublishedConfig:
    """The published config.json of a checkpoint.

    Every method raises InputError if a setting is absent or cannot be converted.
    """

    def __init__(self, checkpoint: Checkpoint):
        self._config = checkpoint.config
        self._label = f"{checkpoint.label}: config.json"
        if not self._config:
            raise InputError(f"{self._label}, which gives the sizes, is missing")

    def number(self, name: str, default: float) -> Any:
        """Returns a number; a list of one number per level must repeat one number."""
        value = self._config.get(name, default)
        values = set(value) if isinstance(value, list) and value else {value}
        number = values.pop()
        if values or isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"{self._label}: {name} is {value}; expected a number")
        return number

    def sequence(
        self, name: str, default: tuple[int, ...], *, length: int | None = None
    ) -> tuple[int, ...]:
        """Returns integers; repeats a single integer `length` times."""
        value = self._config.get(name, default)
        if isinstance(value, int) and length:
            value = [value] * length
        if (
            not isinstance(value, list | tuple)
            or not value
            or not all(isinstance(v, int) for v in value)
            or len(value) != (length or len(value))
        ):
            raise InputError(f"{self._label}: {name} is {value}; expected integers")
        return tuple(value)

    def must_be(self, name: str, supported: Any, *, default: Any = None) -> None:
        """Checks that a setting has the only supported value.

        Args:
          default: the value of an absent setting; by default the supported one.
        """
        value = self._config.get(name, supported if default is None else default)
        if value != supported:
            raise InputError(
                f"{self._label}: {name} is {value}; only {supported} can be converted"
            )

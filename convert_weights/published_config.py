"""A published config.json, read strictly: what is not built here is refused."""

from typing import Any

from convert_weights.sources import Checkpoint
from stereojax.cli import InputError


class Settings:
    """The config beside a checkpoint.

    Raises InputError, from every method, for what is not there or cannot be converted.
    """

    def __init__(self, checkpoint: Checkpoint):
        self._config = checkpoint.config
        self._label = f"{checkpoint.label}: config.json"
        if not self._config:
            raise InputError(f"{self._label}, which gives the sizes, is missing")

    def number(self, name: str, default: float) -> Any:
        """A number; where a list has it once for each level, they must be equal."""
        value = self._config.get(name, default)
        values = set(value) if isinstance(value, list) and value else {value}
        number = values.pop()
        if values or isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"{self._label}: {name} is {value}; expected a number")
        return number

    def sequence(
        self, name: str, default: tuple[int, ...], *, length: int | None = None
    ) -> tuple[int, ...]:
        """Integers; a single one stands for `length` of it."""
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
        """`name` is `supported`, or not there while `default`, if given, is."""
        value = self._config.get(name, supported if default is None else default)
        if value != supported:
            raise InputError(
                f"{self._label}: {name} is {value}; only {supported} can be converted"
            )

"""Everything that is wrong with a set of tensors, told at once."""

from stereojax.cli import InputError

Shape = tuple[int, ...]


class Problems:
    """Collects what does not fit; `check` raises it in one line."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def missing(self, name: str, shape: Shape) -> None:
        self._found.append(f"missing {name} {shape}")

    def misshapen(self, name: str, shape: Shape, expected: Shape) -> None:
        self._found.append(f"shape {name} {shape} where {expected} was expected")

    def unused(self, name: str, shape: Shape) -> None:
        self._found.append(f"unused {name} {shape}")

    def check(self, doing: str) -> None:
        """Raises InputError if anything was found, such as `converting unet`."""
        if count := len(self._found):
            noun = "problem" if count == 1 else "problems"
            raise InputError(f"{count} {noun} {doing}: {'; '.join(self._found)}")

"""How the names of a checkpoint become the names of ours: a short table of renames."""

import dataclasses
import re
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Rename:
    r"""`source`, a regular expression of a name's first components, becomes `target`.

    What follows in the name stays, so a module's line renames its weight and its bias.
    A tuple as source is joined along the first axis, in its order; a tuple as target is
    the source cut along that axis into equal parts:

        Rename(r"layer\.(\d+)\.conv", r"blocks.\1.conv")
        Rename((r"(.*)\.query", r"(.*)\.key", r"(.*)\.value"), r"\1.qkv")
        Rename(r"(.*)\.in_proj_(weight|bias)", (r"\1.q.\2", r"\1.k.\2", r"\1.v.\2"))
    """

    source: str | tuple[str, ...]
    target: str | tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """The renames of one layout; a name that none of them matches stays as it is."""

    renames: tuple[Rename, ...] = ()
    # Regular expressions of names, after renaming, that a checkpoint may hold and no
    # model reads.
    unused: tuple[str, ...] = ()

    def may_be_unused(self, target: str) -> bool:
        return any(re.fullmatch(pattern, target) for pattern in self.unused)


@dataclasses.dataclass(frozen=True)
class Piece:
    """A tensor of a checkpoint, or a part of it, and the tensor it goes into."""

    source: str
    target: str
    join: tuple[int, int] = (0, 1)  # it is the i-th of n pieces of the target
    cut: tuple[int, int] = (0, 1)  # it is the i-th of n parts of the source


def pieces(names: Iterable[str], table: Table) -> list[Piece]:
    """Where each of the checkpoint's `names` goes."""
    return [piece for name in names for piece in _pieces(name, table)]


def _pieces(name: str, table: Table) -> list[Piece]:
    found = []
    for rename in table.renames:
        sources = _as_tuple(rename.source)
        targets = _as_tuple(rename.target)
        for i, pattern in enumerate(sources):
            match = re.match(rf"(?:{pattern})(?=\.|$)", name)
            if match is None:
                continue
            rest = name[match.end() :]
            found.append(
                [
                    Piece(
                        name,
                        match.expand(target) + rest,
                        (i, len(sources)),
                        (j, len(targets)),
                    )
                    for j, target in enumerate(targets)
                ]
            )
    if len(found) > 1:
        raise ValueError(f"{len(found)} renames match {name}; a table must be clear")
    return found[0] if found else [Piece(name, name)]


def _as_tuple(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names

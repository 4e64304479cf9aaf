"""Converts a checkpoint's tensors to a network's arrays: strict, one at a time.

A model family contributes a `Table` of true renames; the layout of each kind of layer
is general (`torch_layout`).
"""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from flax import nnx

from convert_weights.tensors import Tensors
from convert_weights.torch_layout import TorchLayout, torch_layouts
from stereojax.weights.names import State
from stereojax.weights.strict import Problems, Shape


@dataclasses.dataclass(frozen=True)
class Rename:
    r"""Renames the components at the start of a name that match `source` to `target`.

    `source` is a regular expression. The rest of the name is kept, so the rename of a
    module renames its weight and its bias. Tensors of a tuple of sources are
    concatenated along the first axis, in this order; a tuple of targets splits the
    source along that axis into equal parts:

        Rename(r"layer\.(\d+)\.conv", r"blocks.\1.conv")
        Rename((r"(.*)\.query", r"(.*)\.key", r"(.*)\.value"), r"\1.qkv")
        Rename(r"(.*)\.in_proj_(weight|bias)", (r"\1.q.\2", r"\1.k.\2", r"\1.v.\2"))
    """

    source: str | tuple[str, ...]
    target: str | tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """The renames from one checkpoint layout; a name without a match is kept."""

    renames: tuple[Rename, ...] = ()
    # Regular expressions of renamed tensors that a checkpoint may hold and that the
    # network does not have.
    ignored: tuple[str, ...] = ()

    def ignores(self, target: str) -> bool:
        return any(re.fullmatch(pattern, target) for pattern in self.ignored)


@dataclasses.dataclass(frozen=True)
class TensorMapping:
    """A checkpoint's tensor, or a part of it, and the network's array it belongs to."""

    source: str
    target: str
    concat: tuple[int, int] = (0, 1)  # (i, n): the i-th of n sources of the target
    split: tuple[int, int] = (0, 1)  # (i, n): the i-th of n equal parts of the source


def map_tensors(names: Iterable[str], table: Table) -> list[TensorMapping]:
    """Returns the mappings of all tensors of a checkpoint.

    Raises:
      ValueError: several renames of the table match one name.
    """
    return [mapping for name in names for mapping in _map_tensor(name, table)]


def _map_tensor(name: str, table: Table) -> list[TensorMapping]:
    matches = []
    for rename in table.renames:
        sources = _as_tuple(rename.source)
        targets = _as_tuple(rename.target)
        for i, pattern in enumerate(sources):
            match = re.match(rf"(?:{pattern})(?=\.|$)", name)
            if match is None:
                continue
            rest = name[match.end() :]
            matches.append(
                [
                    TensorMapping(
                        name,
                        match.expand(target) + rest,
                        (i, len(sources)),
                        (j, len(targets)),
                    )
                    for j, target in enumerate(targets)
                ]
            )
    if len(matches) > 1:
        raise ValueError(f"{len(matches)} renames match {name}; expected at most one")
    return matches[0] if matches else [TensorMapping(name, name)]


def _as_tuple(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def convert_tensors(
    model: nnx.Module, tensors: Tensors, table: Table, *, what: str
) -> State:
    """Returns the arrays of `model`, converted from `tensors`, with their dtypes.

    Args:
      model: may be abstract (`weights.abstract`); only its shapes are read.
      what: name of the converted network, for errors.

    Raises:
      InputError: lists every missing, unused or wrongly shaped tensor.
    """
    layouts = torch_layouts(model)
    mappings = defaultdict(list)
    for mapping in map_tensors(tensors.shapes, table):
        mappings[mapping.target].append(mapping)

    # All problems are collected before the first tensor is read.
    problems = Problems()
    for layout in layouts:
        _check(layout, mappings[layout.name], tensors.shapes, problems)
    expected = {layout.name for layout in layouts}
    for target, sources in mappings.items():
        if target not in expected and not table.ignores(target):
            for mapping in sources:
                problems.unused(mapping.source, tensors.shapes[mapping.source])
    problems.check(f"converting {what}")

    state: State = {}
    for layout in layouts:
        *path, last = layout.path
        node = state
        for key in path:
            node = node.setdefault(key, {})
        node[last] = layout.from_torch(_read(mappings[layout.name], tensors))
    return state


def _check(
    layout: TorchLayout,
    mappings: list[TensorMapping],
    shapes: dict[str, Shape],
    problems: Problems,
) -> None:
    """Checks that an array has all its sources; sorts them for concatenation."""
    if not mappings:
        problems.missing(layout.name, layout.shape)
        return
    mappings.sort(key=lambda mapping: mapping.concat)
    count = mappings[0].concat[1]
    if [mapping.concat for mapping in mappings] != [(i, count) for i in range(count)]:
        sources = ", ".join(mapping.source for mapping in mappings)
        name = f"{layout.name} (expected sources: {count}, got: {sources})"
        problems.missing(name, layout.shape)
        return
    for mapping in mappings:
        shape = shapes[mapping.source]
        expected = layout.shape
        if layout.shape:
            rows = layout.shape[0] * mapping.split[1] // count
            expected = (rows, *layout.shape[1:])
        if shape != expected:
            problems.wrong_shape(mapping.source, shape, expected)


def _read(mappings: list[TensorMapping], tensors: Tensors) -> np.ndarray:
    """Reads the sources of one array; splits and concatenates them."""
    parts = []
    for mapping in mappings:
        tensor = tensors.read(mapping.source)
        index, count = mapping.split
        parts.append(np.split(tensor, count)[index] if count > 1 else tensor)
    return np.concatenate(parts) if len(parts) > 1 else parts[0]

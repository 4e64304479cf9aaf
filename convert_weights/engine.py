"""The one engine behind every conversion: strict, and one tensor at a time."""

from collections import defaultdict

import numpy as np
from flax import nnx

from convert_weights.table import Piece, Table, pieces
from convert_weights.tensors import Tensors
from convert_weights.torch_layout import Leaf, leaves
from stereojax.weights.names import State
from stereojax.weights.strict import Problems, Shape


def convert_tensors(
    model: nnx.Module, tensors: Tensors, table: Table, *, what: str
) -> State:
    """The arrays that `model` needs, out of `tensors`, in the types of `tensors`.

    Args:
      model: abstract will do (`ops.abstract`); only its shapes are read.
      what: the part's name, for errors.

    Raises:
      InputError: every missing, misshapen or unused tensor, in one line.
    """
    wanted = leaves(model)
    given = defaultdict(list)
    for piece in pieces(tensors.shapes, table):
        given[piece.target].append(piece)
    problems = Problems()
    for leaf in wanted:
        _check(leaf, given[leaf.name], tensors.shapes, problems)
    known = {leaf.name for leaf in wanted}
    for target, found in given.items():
        if target not in known and not table.may_be_unused(target):
            for piece in found:
                problems.unused(piece.source, tensors.shapes[piece.source])
    problems.check(f"converting {what}")
    state: State = {}
    for leaf in wanted:
        *path, last = leaf.path
        node = state
        for key in path:
            node = node.setdefault(key, {})
        node[last] = leaf.from_torch(_join(given[leaf.name], tensors))
    return state


def _check(
    leaf: Leaf, found: list[Piece], shapes: dict[str, Shape], problems: Problems
) -> None:
    if not found:
        problems.missing(leaf.name, leaf.shape)
        return
    found.sort(key=lambda piece: piece.join)
    count = found[0].join[1]
    places = [piece.join for piece in found]
    if places != [(i, count) for i in range(count)]:
        sources = ", ".join(piece.source for piece in found)
        problems.missing(f"{leaf.name}, {count} parts of it but {sources},", leaf.shape)
        return
    for piece in found:
        shape = shapes[piece.source]
        expected = leaf.shape
        if leaf.shape:
            rows = leaf.shape[0] * piece.cut[1] // count
            expected = (rows, *leaf.shape[1:])
        if shape != expected:
            problems.misshapen(piece.source, shape, expected)


def _join(found: list[Piece], tensors: Tensors) -> np.ndarray:
    parts = []
    for piece in found:
        tensor = tensors.read(piece.source)
        index, count = piece.cut
        parts.append(np.split(tensor, count)[index] if count > 1 else tensor)
    return np.concatenate(parts) if len(parts) > 1 else parts[0]

"""Rules by name: the first pattern that fits a whole name decides."""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Rules = Sequence[tuple[str, T]]


def apply_rules(rules: Rules[T], names: Iterable[str], *, what: str) -> dict[str, T]:
    """What each name gets.

    >>> apply_rules([(r".*bias", 0), (r"conv.*", 1)], ["conv.bias"], what="example")
    {'conv.bias': 0}

    Raises:
      ValueError: the names that no rule covers, all of them.
    """
    compiled = [(re.compile(pattern), value) for pattern, value in rules]
    found, uncovered = {}, []
    for name in names:
        for pattern, value in compiled:
            if pattern.fullmatch(name):
                found[name] = value
                break
        else:
            uncovered.append(name)
    if uncovered:
        shown = ", ".join(uncovered[:8]) + (" ..." if len(uncovered) > 8 else "")
        raise ValueError(
            f"{len(uncovered)} parameters that no rule of {what} covers: {shown}"
        )
    return found

"""A stream for two readers."""

import collections
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def twice(items: Iterable[T]) -> tuple[Iterator[T], Iterator[T]]:
    """Two iterators over the same items; what both have given is let go of.

    `itertools.tee` lets go in blocks of 57 items: of film frames, hundreds of MB.
    """
    source = iter(items)
    first: collections.deque[T] = collections.deque()
    second: collections.deque[T] = collections.deque()

    def give(mine: collections.deque[T], theirs: collections.deque[T]) -> Iterator[T]:
        while True:
            if not mine:
                try:
                    theirs.append(next(source))
                except StopIteration:
                    return
                mine.append(theirs[-1])
            yield mine.popleft()

    return give(first, second), give(second, first)

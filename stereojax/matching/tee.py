"""Copies an iterator with bounded memory."""

import collections
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def bounded_tee(items: Iterable[T]) -> tuple[Iterator[T], Iterator[T]]:
    """Returns two iterators over the same items, and frees items that both yielded.

    `itertools.tee` frees items in blocks of 57: for film frames, hundreds of MB.
    """
    source = iter(items)
    first: collections.deque[T] = collections.deque()
    second: collections.deque[T] = collections.deque()

    def read(own: collections.deque[T], other: collections.deque[T]) -> Iterator[T]:
        while True:
            if not own:
                try:
                    other.append(next(source))
                except StopIteration:
                    return
                own.append(other[-1])
            yield own.popleft()

    return read(first, second), read(second, first)

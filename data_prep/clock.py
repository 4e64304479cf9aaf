"""Where the time goes."""

import collections
import contextlib
import time
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Seconds by stage."""

    def __init__(self):
        self._spent: collections.Counter[str] = collections.Counter()

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent[stage] += time.monotonic() - began

    def over(self, stage: str, items: Iterator[T]) -> Iterator[T]:
        """The items; the time that each takes to come counts, less what it counted."""
        while True:
            before, began = self._spent.total(), time.monotonic()
            item = next(items, self)
            inner = self._spent.total() - before
            self._spent[stage] += time.monotonic() - began - inner
            if item is self:
                return
            yield item

    @property
    def seconds(self) -> dict[str, float]:
        return {stage: round(spent, 3) for stage, spent in self._spent.items()}

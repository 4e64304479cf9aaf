"""Where the time goes."""

import collections
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Seconds by stage, as `now` counts them."""

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now = now
        self._spent: collections.Counter[str] = collections.Counter()

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = self._now()
        try:
            yield
        finally:
            self._spent[stage] += self._now() - began

    def over(self, stage: str, items: Iterator[T]) -> Iterator[T]:
        """The items; the time that each takes to come counts, less what it counted."""
        while True:
            before, began = self._spent.total(), self._now()
            item = next(items, self)
            inner = self._spent.total() - before
            self._spent[stage] += self._now() - began - inner
            if item is self:
                return
            yield item

    @property
    def seconds(self) -> dict[str, float]:
        return {stage: round(spent, 3) for stage, spent in self._spent.items()}

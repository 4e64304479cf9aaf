"""Measures the time that each stage takes."""

import collections
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


class StageTimer:
    """Sums the time of each stage, in seconds; `now` returns the current time."""

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now = now
        self._seconds: collections.Counter[str] = collections.Counter()

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = self._now()
        try:
            yield
        finally:
            self._seconds[stage] += self._now() - start

    def iterate(self, stage: str, items: Iterator[T]) -> Iterator[T]:
        """Yields the items; counts the time to produce each one as `stage`.

        Time that other stages measure meanwhile is not counted twice.
        """
        while True:
            before, start = self._seconds.total(), self._now()
            item = next(items, self)
            inner = self._seconds.total() - before
            self._seconds[stage] += self._now() - start - inner
            if item is self:
                return
            yield item

    @property
    def seconds(self) -> dict[str, float]:
        return {stage: round(spent, 3) for stage, spent in self._seconds.items()}

"""Runs an iterator ahead of its consumer, in a thread."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def prefetch(iterator: Iterable[T], depth: int) -> Iterator[T]:
    """Yields the items of `iterator`, computed up to `depth` items ahead.

    The thread starts at the first `next`. An exception of `iterator` is raised after
    the items before it. If the consumer stops early (`break`, `close()`, or deletion
    of the generator), the thread closes `iterator` and ends.
    """
    if depth < 1:
        raise ValueError(f"depth {depth} must be at least 1")
    items: queue.Queue = queue.Queue(depth)
    stop = threading.Event()

    def work() -> None:
        source = iter(iterator)
        try:
            for item in source:
                items.put((item, None))
                if stop.is_set():
                    return
            items.put((None, StopIteration()))
        except BaseException as error:
            items.put((None, error))
        finally:
            if hasattr(source, "close"):
                source.close()

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = items.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
            del item  # frees the item before the next one arrives
    finally:
        stop.set()
        # The thread puts at most one item after `stop`; a free slot lets it end.
        while thread.is_alive():
            try:
                items.get(timeout=0.01)
            except queue.Empty:
                continue
        thread.join()

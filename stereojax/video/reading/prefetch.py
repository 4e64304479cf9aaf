"""An iterator that works ahead in its own thread."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def prefetch(iterator: Iterable[T], depth: int) -> Iterator[T]:
    """Yields what `iterator` yields, up to `depth` items ahead of the consumer.

    The thread starts with the first item asked for. What `iterator` raises is raised
    here, after the items before it. A consumer that stops early (`break`, `close()`,
    or letting go of the generator) ends the thread; `iterator` is closed in it.
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
            del item  # or the last frame lives on until the next arrives
    finally:
        stop.set()
        # The thread puts at most once more after `stop`: one free place lets it end.
        while thread.is_alive():
            try:
                items.get(timeout=0.01)
            except queue.Empty:
                continue
        thread.join()

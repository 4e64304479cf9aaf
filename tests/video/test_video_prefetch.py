"""Prefetching yields the same items and errors, and its thread ends."""

import gc
import threading

import pytest

from stereojax.video.reading.prefetch import prefetch


def threads():
    return [t for t in threading.enumerate() if t.name == "prefetch"]


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_items_and_order_are_unchanged(depth):
    assert list(prefetch(iter(range(50)), depth)) == list(range(50))
    assert not threads()


def test_at_most_depth_items_wait():
    started = [threading.Event() for _ in range(20)]

    def source():
        for i, event in enumerate(started):
            event.set()
            yield i

    items = prefetch(source(), 3)
    assert next(items) == 0
    # Besides the three queued items, the blocked thread holds one.
    assert all(event.wait(5) for event in started[:5])
    assert not any(event.is_set() for event in started[5:])
    items.close()


def test_error_is_raised_after_the_items_before_it():
    def source():
        yield 1
        yield 2
        raise KeyError("broken")

    items = prefetch(source(), 5)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="broken"):
        next(items)
    assert not threads()


class Endless:
    """An iterator that records a call of `close`."""

    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        return 0

    def close(self):
        self.closed.set()


@pytest.mark.parametrize("end", ["close", "delete", "throw"])
def test_early_stop_ends_the_thread_and_closes_the_source(end):
    source = Endless()
    items = prefetch(source, 2)
    assert next(items) == 0
    assert len(threads()) == 1
    if end == "close":
        items.close()
    elif end == "throw":
        with pytest.raises(ValueError, match="stop"):
            items.throw(ValueError("stop"))
    else:
        del items
        gc.collect()
    assert source.closed.wait(5)
    assert not threads()


def test_thread_starts_at_the_first_item():
    prefetch(iter(range(5)), 2)
    assert not threads()


def test_depth_must_be_positive():
    with pytest.raises(ValueError, match="depth 0"):
        next(prefetch(iter(()), 0))

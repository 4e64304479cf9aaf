"""Prefetches batches to the devices."""

import collections
from collections.abc import Iterator

import numpy as np
from jax.sharding import Mesh

from stereojax.cli import InputError, RunError, line_of
from stereojax.shapes import Array
from stereojax.training.input.pipeline import NAMES
from stereojax.training.multihost.fail_together import OtherProcessFailed
from stereojax.training.sharding import put_batch
from stereojax.training.step import INDEX

Names = dict[int, str]  # index of a sample -> name of its clip


class DevicePrefetch:
    """This process's share of the batches, several of them on the devices in advance.

    An error while reading is kept until the batches before it are consumed.
    """

    def __init__(
        self, batches: Iterator[dict[str, np.ndarray]], mesh: Mesh, ahead: int
    ):
        self._batches, self._mesh, self._ahead = batches, mesh, ahead
        self._ready: collections.deque[tuple[Names, dict[str, Array]]]
        self._ready = collections.deque()
        self._error: Exception | None = None

    def peek(self) -> dict[str, Array]:
        """Returns the next batch, and keeps it.

        Raises:
          RunError: the batch cannot be read.
        """
        self._fill(1)
        if not self._ready:
            raise self.error()
        return self._ready[0][1]

    def next_batch(self) -> tuple[Names, dict[str, Array]]:
        """Returns the names of the samples' clips, and the batch.

        Raises:
          RunError: the batch cannot be read.
        """
        self.peek()
        batch = self._ready.popleft()
        self._fill(self._ahead)
        return batch

    def has_next(self) -> bool:
        return bool(self._ready)

    def error(self) -> Exception:
        """Returns the reason why there is no further batch."""
        return self._error or OtherProcessFailed(
            "another process cannot read its samples"
        )

    def _fill(self, count: int) -> None:
        while len(self._ready) < count and not self._error:
            try:
                batch = dict(next(self._batches))
            except (InputError, RunError) as error:
                self._error = error
                return
            except Exception as error:  # of a disk, a bucket or a killed worker process
                self._error = RunError(f"cannot read samples: {line_of(error)}")
                return
            indices = map(int, batch[INDEX])
            names = dict(zip(indices, map(str, batch.pop(NAMES)), strict=True))
            self._ready.append((names, put_batch(batch, self._mesh)))

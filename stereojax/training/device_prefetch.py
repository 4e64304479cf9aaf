"""Batches on the devices ahead of the updates."""

import collections
from collections.abc import Iterator

import numpy as np
from jax.sharding import Mesh

from stereojax.cli import InputError, RunError, line_of
from stereojax.shapes import Array
from stereojax.training.input.pipeline import NAMES
from stereojax.training.multihost.fail_together import OtherFailed
from stereojax.training.sharding import put_batch
from stereojax.training.step import INDEX

Names = dict[int, str]  # of this process's samples, the clips


class Feed:
    """This process's share of the batches, some in advance.

    A batch that cannot be read ends it, after those that were read before.
    """

    def __init__(
        self, batches: Iterator[dict[str, np.ndarray]], mesh: Mesh, ahead: int
    ):
        self._batches, self._mesh, self._ahead = batches, mesh, ahead
        self._ready: collections.deque[tuple[Names, dict[str, Array]]]
        self._ready = collections.deque()
        self._failure: Exception | None = None

    def take(self) -> tuple[Names, dict[str, Array]]:
        """The next batch.

        Raises:
          RunError: it cannot be read.
        """
        self._fill(1)
        if not self._ready:
            raise self.failure()
        taken = self._ready.popleft()
        self._fill(self._ahead)
        return taken

    def has_more(self) -> bool:
        return bool(self._ready)

    def failure(self) -> Exception:
        """Why there is no other batch."""
        return self._failure or OtherFailed("another process cannot read its samples")

    def _fill(self, count: int) -> None:
        while len(self._ready) < count and not self._failure:
            try:
                batch = dict(next(self._batches))
            except (InputError, RunError) as error:
                self._failure = error
                return
            except Exception as error:  # a disk's, a bucket's, a worker that was killed
                self._failure = RunError(f"cannot read samples: {line_of(error)}")
                return
            numbers = map(int, batch[INDEX])
            names = dict(zip(numbers, map(str, batch.pop(NAMES)), strict=True))
            self._ready.append((names, put_batch(batch, self._mesh)))

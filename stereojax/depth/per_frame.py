"""An estimator for networks that see one frame at a time."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from flax import nnx

from stereojax.depth.preprocess import network_size, padded_batches
from stereojax.shapes import Array, Float, Shaped

Size = tuple[int, int]  # rows and columns
Preprocess = Callable[[Array, Size], Array]


class PerFrameDepth:
    """An estimator: relative inverse depth, larger = nearer, with no fixed scale."""

    per_frame = True
    per_frame_scale = True

    def __init__(
        self,
        network: nnx.Module,  # preprocessed frames to depth
        preprocess: Preprocess,  # frames and the network's size to preprocessed frames
        *,
        name: str,
        licence: str,
        batch: int | None = None,  # frames computed together; default by device
        shortest: int,  # pixels of the network input's shorter side
        multiple: int,  # both sides of the network input are multiples of this
    ):
        self.name, self.licence = name, licence
        self._batch = batch or (1 if jax.default_backend() == "cpu" else 4)
        self._shortest, self._multiple = shortest, multiple
        self._preprocess = preprocess
        self._graph, self._state = nnx.split(network)

    def estimate(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the raw depth of each frame, in order.

        Args:
          frames: (h, w, 3) uint8 or uint16 RGB, all of one size.

        Yields:
          (hd, wd) float32 >= 0 at the network's own size. One batch computes while the
          next is read.
        """
        computing = None
        for batch, count in padded_batches(frames, self._batch):
            depth = self._run(batch), count
            if computing is not None:
                yield from _frames(*computing)
            computing = depth
        if computing is not None:
            yield from _frames(*computing)

    def _run(self, frames: np.ndarray) -> Array:
        size = network_size(
            *frames.shape[1:3], shortest=self._shortest, multiple=self._multiple
        )
        return _forward(self._graph, self._state, frames, size, self._preprocess)


@functools.partial(jax.jit, static_argnums=(0, 3, 4))
def _forward(
    graph: Any,
    state: Any,
    frames: Shaped[Array | np.ndarray, "b h w 3"],
    size: Size,
    preprocess: Preprocess,
) -> Float[Array, "b hd wd"]:
    return nnx.merge(graph, state)(preprocess(frames, size))


def _frames(depth: Array, count: int) -> Iterator[np.ndarray]:
    yield from np.asarray(depth)[:count]

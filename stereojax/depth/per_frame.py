"""Depth of video frames by a network that sees one frame at a time."""

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from flax.typing import Dtype

from stereojax.depth.preprocess import network_size
from stereojax.shapes import Array, Float, Shaped
from stereojax.weights.abstract import abstract

Size = tuple[int, int]  # rows and columns
Prepare = Callable[[Array, Size], Array]


class PerFrameDepth:
    """An estimator: relative inverse depth, larger = nearer, of no fixed scale."""

    per_frame = True
    per_frame_scale = True

    def __init__(
        self,
        network: nnx.Module,  # prepared frames to depth
        prepare: Prepare,  # frames and the network's size to prepared frames
        *,
        name: str,
        licence: str,
        batch: int | None = None,  # frames computed together; default by the device
        shortest: int,  # pixels of the shorter side that the network sees
        multiple: int,  # of which both sides are
    ):
        self.name, self.licence = name, licence
        self._batch = batch or (1 if _on_cpu() else 4)
        self._shortest, self._multiple = shortest, multiple
        self._prepare = prepare
        self._graph, self._state = nnx.split(network)

    def estimate(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Raw depth of each frame, in order.

        Args:
          frames: (h, w, 3) uint8 or uint16 RGB, all of one size.

        Yields:
          (hd, wd) float32 >= 0 at the network's own size. One batch computes while the
          next is read.
        """
        computing = None
        while batch := list(itertools.islice(frames, self._batch)):
            # One compiled shape: a short batch is filled up and cut off again.
            padding = [batch[-1]] * (self._batch - len(batch))
            depth = self._run(np.stack(batch + padding)), len(batch)
            if computing is not None:
                yield from _rows(*computing)
            computing = depth
        if computing is not None:
            yield from _rows(*computing)

    def _run(self, frames: np.ndarray) -> Array:
        size = network_size(
            *frames.shape[1:3], shortest=self._shortest, multiple=self._multiple
        )
        return _forward(self._graph, self._state, frames, size, self._prepare)


def load_per_frame(
    folder: Path, network: type[nnx.Module], sizes: type, dtype: Dtype | None
) -> tuple[nnx.Module, dict[str, Any]]:
    """The network in a converted part, and the part's config.

    `sizes` is the class of the network's sizes. The network computes in `dtype`: by
    default float32 on a CPU, bfloat16 elsewhere.

    Raises:
      InputError: there is no such part, or it is of another network.
    """
    from stereojax.weights import compute_dtype, load_network

    def build(found: dict[str, Any]) -> nnx.Module:
        preset, kind = sizes.from_dict(found), compute_dtype(dtype)
        return abstract(lambda rngs: network(preset, dtype=kind, rngs=rngs))

    return load_network(folder, network, build)


@functools.partial(jax.jit, static_argnums=(0, 3, 4))
def _forward(
    graph: Any,
    state: Any,
    frames: Shaped[Array | np.ndarray, "b h w 3"],
    size: Size,
    prepare: Prepare,
) -> Float[Array, "b hd wd"]:
    return nnx.merge(graph, state)(prepare(frames, size))


def _rows(depth: Array, count: int) -> Iterator[np.ndarray]:
    yield from np.asarray(depth)[:count]


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"

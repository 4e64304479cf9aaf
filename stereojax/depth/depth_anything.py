"""Depth of video frames by Depth Anything V2, each frame on its own."""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from flax.typing import Dtype

from stereojax.depth.networks.depth_anything_v2 import (
    DepthAnythingV2,
    DepthAnythingV2Config,
)
from stereojax.depth.preprocess import network_size, preprocess
from stereojax.shapes import Array, Float, Shaped
from stereojax.weights.abstract import abstract


class DepthAnything:
    """An estimator: relative inverse depth, larger = nearer, of no fixed scale."""

    per_frame = True  # the estimate of a slice is the slice of the estimate
    per_frame_scale = True

    def __init__(
        self,
        network: DepthAnythingV2,
        *,
        name: str,
        licence: str,
        batch: int | None = None,  # frames computed together; default by the device
        shortest: int = 518,  # pixels of the shorter side that the network sees
    ):
        self.name, self.licence = name, licence
        self._batch = batch or (1 if _on_cpu() else 4)
        self._shortest = shortest
        self._patch = network.config.patch
        self._graph, self._state = nnx.split(network)

    @classmethod
    def load(
        cls, folder: Path, *, dtype: Dtype | None = None, batch: int | None = None
    ) -> "DepthAnything":
        """From a converted part.

        Computes in `dtype`: by default float32 on a CPU, bfloat16 elsewhere.

        Raises:
          InputError: there is no such part, or it is not of this network.
        """
        from stereojax.weights import compute_dtype, load_network

        def build(sizes: dict[str, Any]) -> DepthAnythingV2:
            preset = DepthAnythingV2Config.from_dict(sizes)
            kind = compute_dtype(dtype)
            return abstract(lambda rngs: DepthAnythingV2(preset, dtype=kind, rngs=rngs))

        network, config = load_network(folder, DepthAnythingV2, build)
        return cls(network, name=config["part"], licence=config["licence"], batch=batch)

    def estimate(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Raw depth of each frame, in order.

        Args:
          frames: (h, w, 3) uint8 or uint16 RGB, all of one size.

        Yields:
          (hd, wd) float32 >= 0 at the network's own size: shorter side 518, multiples
          of 14. One batch computes while the next is read.
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
            *frames.shape[1:3], shortest=self._shortest, multiple=self._patch
        )
        return _forward(self._graph, self._state, frames, size)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _forward(
    graph: Any,
    state: Any,
    frames: Shaped[Array | np.ndarray, "b h w 3"],
    size: tuple[int, int],
) -> Float[Array, "b hd wd"]:
    return nnx.merge(graph, state)(preprocess(frames, size))


def _rows(depth: Array, count: int) -> Iterator[np.ndarray]:
    yield from np.asarray(depth)[:count]


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"

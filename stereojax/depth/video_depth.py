"""Estimates the depth of a shot with Video Depth Anything: consistent over time.

The network sees windows of 32 frames, whose depth is aligned to one scale; see
`video_depth_windows`. Memory does not grow with the shot: it holds the features of one
window, and the depth of a few frames.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Dtype

from stereojax.depth.estimator import NoStateStore, State, StateStore
from stereojax.depth.networks.load import load_depth_network
from stereojax.depth.networks.video_depth_anything import (
    VideoDepthAnything,
    VideoDepthAnythingConfig,
)
from stereojax.depth.preprocess import network_size, padded_batches, preprocess
from stereojax.depth.video_depth_windows import (
    KEY_SLOTS,
    LENGTH,
    STEP,
    KeyWindow,
    WindowEnd,
    align_window,
    key_windows,
)
from stereojax.shapes import Array, Float, Shaped

Features = list[Array]  # of one frame, at four depths of the encoder

WIDE = 1.78  # pictures with a larger aspect ratio are reduced to the area of 16:9


class VideoDepth:
    """An estimator: relative inverse depth, larger = nearer, one scale per shot."""

    per_frame = False
    per_frame_scale = False

    def __init__(
        self,
        network: VideoDepthAnything,
        *,
        name: str,
        licence: str,
        batch: int | None = None,  # frames encoded together; default by device
        shortest: int = 518,  # pixels of the network input's shorter side
    ):
        if network.config.frames != LENGTH:
            raise ValueError(
                f"{name}: windows of {network.config.frames} frames, expected {LENGTH}"
            )
        self.name, self.licence = name, licence
        cpu = jax.default_backend() == "cpu"
        # 11 divides the 22 new frames of a window, and nearly the first 32.
        self._batch = batch or (1 if cpu else 11)
        self._frames_at_once = 1 if cpu else 8  # in the head's high-resolution half
        self._shortest, self._patch = shortest, network.config.patch
        self._graph, self._state = nnx.split(network)

    @classmethod
    def load(
        cls, folder: Path, *, dtype: Dtype | None = None, batch: int | None = None
    ) -> "VideoDepth":
        """Loads the estimator from a converted part.

        Computes in `dtype`: by default float32 on a CPU, bfloat16 elsewhere.

        Raises:
          InputError: the part is absent, damaged or of another class.
        """
        network, config = load_depth_network(
            folder, VideoDepthAnything, VideoDepthAnythingConfig, dtype
        )
        return cls(network, name=config["part"], licence=config["licence"], batch=batch)

    def estimate(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the raw depth of each frame of one shot, in order.

        The published code resizes depth to the frames' size and aligns windows there;
        that resize is linear, so aligning at the network's size gives the same.

        Args:
          frames: (h, w, 3) uint8 or uint16 RGB, all of one size.

        Yields:
          (hd, wd) float32 >= 0 at the network's own size: shorter side 518 (less where
          the picture is wider than 16:9), multiples of 14.
        """
        return self.resume(lambda first: frames, NoStateStore())

    def resume(
        self, frames: Callable[[int], Iterator[np.ndarray]], store: StateStore
    ) -> Iterator[np.ndarray]:
        """Implements `ResumableEstimator.resume`."""
        state = store.load()
        keys, previous, frames_done, read = [], None, 0, 0
        if state is not None:
            keys = _keys_from_state(state)
            previous = WindowEnd(state["references"], state["held"])
            frames_done, read = int(state["done"]), int(state["read"])
        for window in key_windows(self._encoded(frames(read)), keys):
            depth, previous = align_window(self._depth(window), window.known, previous)
            yield from depth
            frames_done += len(depth)
            read += LENGTH if read == 0 else STEP
            if window.known == LENGTH:  # otherwise the next window is the last
                store.offer(
                    frames_done,
                    functools.partial(_to_state, window, previous, frames_done, read),
                )

    def _encoded(self, frames: Iterator[np.ndarray]) -> Iterator[Features]:
        for batch, count in padded_batches(frames, self._batch):
            size = picture_size(
                *batch.shape[1:3], shortest=self._shortest, multiple=self._patch
            )
            features = _encode(self._graph, self._state, batch, size)
            for i in range(count):
                yield [x[i] for x in features]

    def _depth(self, window: KeyWindow[Features]) -> np.ndarray:
        features = [jnp.stack(x) for x in zip(*window.items, strict=True)]
        depth = _head(self._graph, self._state, features, self._frames_at_once)
        return np.asarray(depth)


def _to_state(
    window: KeyWindow[Features], end: WindowEnd, frames_done: int, read: int
) -> State:
    """Returns the state as arrays; a resumed run does not read `read` frames again."""
    state = {"references": end.references, "held": end.fade}
    state |= {"done": np.array(frames_done), "read": np.array(read)}
    for i, slot in enumerate(KEY_SLOTS):
        for j, features in enumerate(window.items[slot]):
            state[f"key{i}.{j}"] = np.asarray(features)
    return state


def _keys_from_state(state: State) -> list[Features]:
    depths = sum(name.startswith("key0.") for name in state)
    return [
        [jnp.asarray(state[f"key{i}.{j}"]) for j in range(depths)]
        for i in range(len(KEY_SLOTS))
    ]


def picture_size(
    height: int, width: int, *, shortest: int = 518, multiple: int = 14
) -> tuple[int, int]:
    """Returns rows and columns as `network_size`, reduced for wide pictures.

    1080 x 1920 becomes 518 x 924, 800 x 1920 378 x 910.
    """
    ratio = max(height, width) / min(height, width)
    if ratio > WIDE:
        shortest = int(shortest * 1.777 / ratio)
        shortest = max(1, round(shortest / multiple)) * multiple
    return network_size(height, width, shortest=shortest, multiple=multiple)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _encode(
    graph: Any,
    state: Any,
    frames: Shaped[Array | np.ndarray, "b h w 3"],
    size: tuple[int, int],
) -> list[Float[Array, "b ph pw c"]]:
    return nnx.merge(graph, state).encode(preprocess(jnp.asarray(frames), size))


@functools.partial(jax.jit, static_argnums=(0, 3))
def _head(
    graph: Any,
    state: Any,
    features: list[Float[Array, "t ph pw c"]],
    frames_at_once: int,
) -> Float[Array, "t hd wd"]:
    return nnx.merge(graph, state).head(features, frames_at_once=frames_at_once)

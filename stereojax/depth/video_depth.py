"""Depth of a shot by Video Depth Anything: one scale, steady from frame to frame.

Windows of 32 frames, stitched; see `key_windows` and `stitch`. What is held does not
grow with the shot: features of one window, and depth of a few frames.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Dtype

from stereojax.depth.estimator import NoStateStore, State, StateStore
from stereojax.depth.key_windows import (
    KEYS,
    LENGTH,
    STEP,
    KeyWindow,
    key_windows,
)
from stereojax.depth.networks.video_depth_anything import (
    VideoDepthAnything,
    VideoDepthAnythingConfig,
)
from stereojax.depth.preprocess import network_size, preprocess
from stereojax.depth.stitch import Seam, stitched
from stereojax.shapes import Array, Float, Shaped
from stereojax.weights.abstract import abstract

Features = list[Array]  # of one frame, at four depths of the encoder

WIDE = 1.78  # pictures of a larger ratio of sides are reduced to the area of 16:9


class VideoDepth:
    """An estimator: relative inverse depth, larger = nearer, one scale for a shot."""

    per_frame = False
    per_frame_scale = False

    def __init__(
        self,
        network: VideoDepthAnything,
        *,
        name: str,
        licence: str,
        batch: int | None = None,  # frames encoded together; default by the device
        shortest: int = 518,  # pixels of the shorter side that the network sees
    ):
        if network.config.frames != LENGTH:
            raise ValueError(
                f"{name}: windows of {network.config.frames} frames, expected {LENGTH}"
            )
        self.name, self.licence = name, licence
        cpu = jax.default_backend() == "cpu"
        # 11 divides the 22 frames that a window brings, and nearly the first 32.
        self._batch = batch or (1 if cpu else 11)
        self._together = 1 if cpu else 8  # frames in the fine half of the head
        self._shortest, self._patch = shortest, network.config.patch
        self._graph, self._state = nnx.split(network)

    @classmethod
    def load(
        cls, folder: Path, *, dtype: Dtype | None = None, batch: int | None = None
    ) -> "VideoDepth":
        """From a converted part.

        Computes in `dtype`: by default float32 on a CPU, bfloat16 elsewhere.

        Raises:
          InputError: there is no such part, or it is not of this network.
        """
        from stereojax.weights import compute_dtype, load_network

        def build(sizes: dict[str, Any]) -> VideoDepthAnything:
            preset = VideoDepthAnythingConfig.from_dict(sizes)
            kind = compute_dtype(dtype)
            return abstract(
                lambda rngs: VideoDepthAnything(preset, dtype=kind, rngs=rngs)
            )

        network, config = load_network(folder, VideoDepthAnything, build)
        return cls(network, name=config["part"], licence=config["licence"], batch=batch)

    def estimate(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Raw depth of each frame of one shot, in order.

        The published code brings depth to the frames' size first and stitches there;
        as that resize is linear, stitching at the network's size is the same.

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
        """As `ResumableEstimator` says."""
        state = store.load()
        keys, seam, done, read = [], None, 0, 0
        if state is not None:
            keys, seam = _keys(state), Seam(state["references"], state["held"])
            done, read = int(state["done"]), int(state["read"])
        for window in key_windows(self._encoded(frames(read)), keys):
            depth, seam = stitched(self._depth(window), window.known, seam)
            yield from depth
            done += len(depth)
            read += LENGTH if read == 0 else STEP
            if window.known == LENGTH:  # else the next one is the last
                store.offer(done, functools.partial(_state, window, seam, done, read))

    def _encoded(self, frames: Iterator[np.ndarray]) -> Iterator[Features]:
        while batch := list(itertools.islice(frames, self._batch)):
            # One compiled shape: a short batch is filled up and cut off again.
            padding = [batch[-1]] * (self._batch - len(batch))
            size = picture_size(
                *batch[0].shape[:2], shortest=self._shortest, multiple=self._patch
            )
            features = _encode(
                self._graph, self._state, np.stack(batch + padding), size
            )
            for i in range(len(batch)):
                yield [x[i] for x in features]

    def _depth(self, window: KeyWindow[Features]) -> np.ndarray:
        features = [jnp.stack(x) for x in zip(*window.items, strict=True)]
        depth = _head(self._graph, self._state, features, self._together)
        return np.asarray(depth)


def _state(window: KeyWindow[Features], seam: Seam, done: int, read: int) -> State:
    """What the next window needs; `read` frames will not be read again."""
    state = {"references": seam.references, "held": seam.held}
    state |= {"done": np.array(done), "read": np.array(read)}
    for i, slot in enumerate(KEYS):
        for j, features in enumerate(window.items[slot]):
            state[f"key{i}.{j}"] = np.asarray(features)
    return state


def _keys(state: State) -> list[Features]:
    depths = sum(name.startswith("key0.") for name in state)
    return [
        [jnp.asarray(state[f"key{i}.{j}"]) for j in range(depths)]
        for i in range(len(KEYS))
    ]


def picture_size(
    height: int, width: int, *, shortest: int = 518, multiple: int = 14
) -> tuple[int, int]:
    """Rows and columns for the network, as `network_size`; wide pictures are reduced.

    1080 x 1920 becomes 518 x 924, 800 x 1920 392 x 938.
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
    graph: Any, state: Any, features: list[Float[Array, "t ph pw c"]], together: int
) -> Float[Array, "t hd wd"]:
    return nnx.merge(graph, state).head(features, together=together)

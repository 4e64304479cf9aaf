"""Windows of DepthCrafter: overlapping windows share noise and cross-fade latents.

As Tencent/DepthCrafter does it. Frames that two windows share have the same noise in
both. The second window starts from the first one's result with that noise added, and a
linear cross-fade leads from one to the other. The last window is shorter and not
padded: norms reach over all frames, so padding would change the result.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import jax.numpy as jnp
import numpy as np

from stereojax.depth.estimator import State
from stereojax.shapes import Array, Float
from stereojax.svd.scheduler import SIGMA_MAX, initial_scale

T = TypeVar("T")
# Maps the conditioning of a window's frames and the noisy latents to clean latents.
Denoise = Callable[[list[T], Array], Array]


@dataclasses.dataclass(frozen=True)
class Overlap(Generic[T]):
    """State between two windows: of the frames that both contain, and the noise."""

    conditioning: list[T]
    latents: Float[Array, "o h w z"]
    noise: Float[Array, "n h w z"]  # of the next window


def denoise_windows(
    conditioning: Iterator[T],
    denoise: Denoise,
    noise: Float[Array, "n h w z"],
    *,
    overlap: int,
    sigma: float = SIGMA_MAX,
    previous: Overlap[T] | None = None,
) -> Iterator[tuple[Float[Array, "t h w z"], Overlap[T] | None]]:
    """Yields the latents of a shot's frames in order, one window at a time.

    Memory holds one window; it does not grow with the length of the shot.

    Args:
      conditioning: of each frame.
      denoise: called once per window; may donate the latents.
      noise: normal, of as many frames as a window has.
      overlap: number of frames that two windows share.
      sigma: the noise level at which `denoise` starts.
      previous: state after a window, to resume from; `conditioning` is then that of the
        frames after that window.

    Yields:
      Latents that no later window changes, and the state for the next window, or None
      if there is no next window.

    Raises:
      ValueError: `overlap` is not shorter than the window.
    """
    window = len(noise)
    if not 0 <= overlap < window:
        raise ValueError(f"overlap {overlap} must be in [0, {window}), the window")
    stride = window - overlap
    if previous is None:
        inputs = list(itertools.islice(conditioning, window))
        if not inputs:
            return
        latents = denoise(inputs, noise[: len(inputs)] * initial_scale(sigma))
        state = _overlap(inputs, latents, noise, overlap)
    else:
        latents, state = previous.latents, previous
    # Reads one frame more, to know whether there is another window.
    while ahead := list(itertools.islice(conditioning, 1)):
        if final := len(latents) - overlap:
            yield latents[:final], state
        inputs = [
            *state.conditioning,
            *ahead,
            *itertools.islice(conditioning, stride - 1),
        ]
        # Shared frames start from the previous result at noise level `sigma`.
        shared, noise = state.latents, state.noise
        start = noise[: len(inputs)] * initial_scale(sigma)
        start = start.at[:overlap].set(shared + noise[:overlap] * sigma)
        new = denoise(inputs, start)
        weight = np.linspace(0, 1, overlap, dtype=np.float32)[:, None, None, None]
        faded = new[:overlap] * weight + shared * (1 - weight)
        latents = jnp.concatenate([faded, new[overlap:]])
        state = _overlap(inputs, latents, noise, overlap)
    yield latents, None


def _overlap(
    conditioning: list[T], latents: Array, noise: Array, overlap: int
) -> Overlap[T]:
    stride = len(noise) - overlap
    rolled = jnp.concatenate([noise[stride:], noise[:stride]])
    first = max(0, len(conditioning) - overlap)
    return Overlap(conditioning[first:], latents[first:], rolled)


def to_state(
    overlap: Overlap[tuple[Array, Array]],
    waiting: list[Array],
    frames_done: int,
    read: int,
) -> State:
    """Returns the estimator's state as arrays, for a `StateStore`.

    Args:
      overlap: state for the next window; conditioning is (channels, context).
      waiting: final latents that are not decoded yet.
      frames_done: number of frames whose depth has been yielded.
      read: number of frames that a resumed run does not read again.
    """
    shape = overlap.latents.shape[1:]
    channels, context = (
        (np.stack(x) for x in zip(*overlap.conditioning, strict=True))
        if overlap.conditioning
        else (np.zeros((0, *shape), np.float32), np.zeros((0, 1), "f"))
    )
    return {
        "channels": channels,
        "context": context,
        "latents": np.asarray(overlap.latents),
        "noise": np.asarray(overlap.noise),
        "waiting": np.asarray(waiting, np.float32).reshape(-1, *shape),
        "done": np.array(frames_done),
        "read": np.array(read),
    }


def from_state(state: State) -> tuple[Overlap[tuple[Array, Array]], list[Array]]:
    """Returns the `overlap` and the `waiting` latents of `to_state`."""
    conditioning = [
        (jnp.asarray(channels), jnp.asarray(context))
        for channels, context in zip(state["channels"], state["context"], strict=True)
    ]
    latents, noise = jnp.asarray(state["latents"]), jnp.asarray(state["noise"])
    waiting = [jnp.asarray(x) for x in state["waiting"]]
    return Overlap(conditioning, latents, noise), waiting

"""Windows of latents that share noise and cross-fade: a long shot by DepthCrafter.

As Tencent/DepthCrafter does it. Frames that two windows share begin from the same noise
in both; the second begins from the first one's result with that noise added, and a
linear fade leads from one to the other. The last window is shorter, and not filled up:
norms reach over all frames, so that would change what it gives.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float
from stereojax.svd.scheduler import SIGMA_MAX, initial_scale

T = TypeVar("T")
# From what a window's frames are given and the latents it starts from, to its latents.
Denoise = Callable[[list[T], Array], Array]


@dataclasses.dataclass(frozen=True)
class Shared(Generic[T]):
    """What a window leaves behind for the next one; of the frames that both see."""

    given: list[T]
    latents: Float[Array, "o h w z"]
    noise: Float[Array, "n h w z"]  # of the next window


def overlapping_windows(
    items: Iterator[T],
    denoise: Denoise,
    noise: Float[Array, "n h w z"],
    *,
    overlap: int,
    sigma: float = SIGMA_MAX,
    shared: Shared[T] | None = None,
) -> Iterator[tuple[Float[Array, "t h w z"], Shared[T] | None]]:
    """The latents of a shot's frames, in order, those of a window at a time.

    Holds what one window needs, whatever the length.

    Args:
      items: what each frame brings to the window that it is in.
      denoise: called once a window; it may donate the latents that it is given.
      noise: normal, of as many frames as a window is long.
      overlap: frames that two windows share.
      sigma: the noise level that `denoise` starts from.
      shared: what a window left, to go on after it; `items` are then of the frames
        behind it.

    Yields:
      Latents that do not change any more, and what is left for the next window; None
      where there is none.

    Raises:
      ValueError: `overlap` is not shorter than the window.
    """
    window = len(noise)
    if not 0 <= overlap < window:
        raise ValueError(f"overlap {overlap} must lie in [0, {window}), the window")
    stride = window - overlap
    if shared is None:
        given = list(itertools.islice(items, window))
        if not given:
            return
        latents = denoise(given, noise[: len(given)] * initial_scale(sigma))
        shared = _shared(given, latents, noise, overlap)
    else:
        latents = shared.latents
    # One frame more says whether there is another window.
    while ahead := list(itertools.islice(items, 1)):
        if final := len(latents) - overlap:
            yield latents[:final], shared
        given = [*shared.given, *ahead, *itertools.islice(items, stride - 1)]
        held, noise = shared.latents, shared.noise
        start = noise[: len(given)] * initial_scale(sigma)
        start = start.at[:overlap].set(held + noise[:overlap] * sigma)
        new = denoise(given, start)
        share = np.linspace(0, 1, overlap, dtype=np.float32)[:, None, None, None]
        faded = new[:overlap] * share + held * (1 - share)
        latents = jnp.concatenate([faded, new[overlap:]])
        shared = _shared(given, latents, noise, overlap)
    yield latents, None


def _shared(given: list[T], latents: Array, noise: Array, overlap: int) -> Shared[T]:
    stride = len(noise) - overlap
    rolled = jnp.concatenate([noise[stride:], noise[:stride]])
    first = max(0, len(given) - overlap)
    return Shared(given[first:], latents[first:], rolled)

"""Windows of latents that share noise and cross-fade: a long shot by DepthCrafter.

As Tencent/DepthCrafter does it. Frames that two windows share begin from the same noise
in both; the second begins from the first one's result with that noise added, and a
linear fade leads from one to the other. The last window is shorter, and not filled up:
norms reach over all frames, so that would change what it gives.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float
from stereojax.svd.scheduler import SIGMA_MAX, initial_scale

T = TypeVar("T")
# From what a window's frames are given and the latents it starts from, to its latents.
Denoise = Callable[[list[T], Array], Array]


def overlapping_windows(
    items: Iterator[T],
    denoise: Denoise,
    noise: Float[Array, "n h w z"],
    *,
    overlap: int,
    sigma: float = SIGMA_MAX,
) -> Iterator[Float[Array, "h w z"]]:
    """The latents of each frame of a shot, in order.

    Holds what one window needs, whatever the length.

    Args:
      items: what each frame brings to the window that it is in.
      denoise: called once a window; it may donate the latents that it is given.
      noise: normal, of as many frames as a window is long.
      overlap: frames that two windows share.
      sigma: the noise level that `denoise` starts from.

    Raises:
      ValueError: `overlap` is not shorter than the window.
    """
    window = len(noise)
    if not 0 <= overlap < window:
        raise ValueError(f"overlap {overlap} must lie in [0, {window}), the window")
    stride = window - overlap
    given = list(itertools.islice(items, window))
    if not given:
        return
    latents = denoise(given, noise[: len(given)] * initial_scale(sigma))
    # One frame more says whether there is another window.
    while ahead := list(itertools.islice(items, 1)):
        yield from latents[: len(latents) - overlap]
        held = latents[len(latents) - overlap :]
        given = given[len(given) - overlap :] + ahead
        given += itertools.islice(items, stride - 1)
        noise = jnp.concatenate([noise[stride:], noise[:stride]])
        start = noise[: len(given)] * initial_scale(sigma)
        start = start.at[:overlap].set(held + noise[:overlap] * sigma)
        new = denoise(given, start)
        share = np.linspace(0, 1, overlap, dtype=np.float32)[:, None, None, None]
        faded = new[:overlap] * share + held * (1 - share)
        latents = jnp.concatenate([faded, new[overlap:]])
    yield from latents

"""Random numbers of DepthCrafter."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from stereojax.shapes import Array, Float, Key


class Noise:
    """Normal noise as a function of the seed and the frame number; stores nothing."""

    def __init__(self, seed: int):
        self._pixels, self._latents = jax.random.split(jax.random.key(seed))

    def pixels(self, frame: int, shape: tuple[int, ...]) -> Float[Array, "*s"]:
        """Returns noise for the picture of one frame of a shot."""
        return _normal(self._pixels, frame, shape)

    def latents(self, frames: int, shape: tuple[int, ...]) -> Float[Array, "t *s"]:
        """Returns noise for the start of a window's sampling."""
        return jnp.stack([_normal(self._latents, i, shape) for i in range(frames)])


@functools.partial(jax.jit, static_argnames=("shape",))
def _normal(key: Key[Array, ""], frame: Any, shape: tuple[int, ...]) -> Array:
    return jax.random.normal(jax.random.fold_in(key, frame), shape)

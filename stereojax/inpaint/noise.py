"""Initial noise of a shot; a frame has the same noise in all its windows and tiles."""

import functools

import jax
import jax.numpy as jnp

from stereojax.shapes import Array, Float, Key


def shot_key(seed: int, shot: int) -> Key[Array, ""]:
    """Returns the PRNG key of a shot; it does not depend on the preceding shots."""
    return jax.random.fold_in(jax.random.key(seed), shot)


def frame_noise(
    key: Key[Array, ""], first: int, frames: int, shape: tuple[int, ...]
) -> Float[Array, "t *s"]:
    """Draws normal noise for frames `first`, `first` + 1, .. of a shot."""
    return _noise(key, first + jnp.arange(frames), shape)


@functools.partial(jax.jit, static_argnames=("shape",))
def _noise(key: Array, frames: Array, shape: tuple[int, ...]) -> Array:
    return jax.vmap(lambda f: jax.random.normal(jax.random.fold_in(key, f), shape))(
        frames
    )

"""Pictures as integers of full range, and as numbers in [0, 1]."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float, Shaped


def as_float(image: Shaped[Array | np.ndarray, "*s"]) -> Float[Array, "*s"]:
    """float32 in [0, 1] from the full range of an unsigned integer."""
    if not jnp.issubdtype(image.dtype, jnp.unsignedinteger):
        return image.astype(jnp.float32)
    return jnp.asarray(image).astype(jnp.float32) / jnp.iinfo(image.dtype).max


@functools.partial(jax.jit, static_argnames="like")
def as_integers(image: Float[Array, "*s"], like: jnp.dtype) -> Shaped[Array, "*s"]:
    """[0, 1] as the full range of the unsigned integer `like`, rounded."""
    top = jnp.iinfo(like).max
    return jnp.round(jnp.clip(image, 0, 1) * top).astype(like)

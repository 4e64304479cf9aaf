"""Converts pictures between full-range unsigned integers and floats in [0, 1]."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float, Shaped


def as_float(image: Shaped[Array | np.ndarray, "*s"]) -> Float[Array, "*s"]:
    """Returns unsigned integers as float32 in [0, 1]; floats only change to float32."""
    if not jnp.issubdtype(image.dtype, jnp.unsignedinteger):
        return image.astype(jnp.float32)
    return jnp.asarray(image).astype(jnp.float32) / jnp.iinfo(image.dtype).max


@functools.partial(jax.jit, static_argnames="like")
def as_integers(image: Float[Array, "*s"], like: jnp.dtype) -> Shaped[Array, "*s"]:
    """Returns floats in [0, 1], clipped and rounded, as unsigned integers of `like`."""
    top = jnp.iinfo(like).max
    return jnp.round(jnp.clip(image, 0, 1) * top).astype(like)

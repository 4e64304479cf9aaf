"""Attention over the frames of a window at each pixel: many short sequences."""

import jax
import jax.numpy as jnp

from stereojax.shapes import Array, Float

SCORES = 1 << 28  # limit of the scores in memory at a time


def frame_attention(
    q: Float[Array, "b t s n d"],
    k: Float[Array, "b t s n d"],
    v: Float[Array, "b t s n d"],
) -> Float[Array, "b t s n d"]:
    """Returns softmax(q k^T / sqrt(d)) v over frames t, for each pixel s and head n.

    Plain XLA: a flash kernel would pad 25 frames to 128. If the scores of all pixels
    exceed `SCORES`, parts of the picture are computed one after the other.
    """
    b, t, s, n, _ = q.shape
    parts = min(s, -(-b * s * n * t * t // SCORES))
    while s % parts:  # the parts have equal size
        parts += 1
    if parts == 1:
        return _attend(q, k, v)

    def part(i: Array) -> Array:
        size = s // parts
        return _attend(
            *(
                jax.lax.dynamic_slice_in_dim(x, i * size, size, axis=2)
                for x in (q, k, v)
            )
        )

    out = jax.lax.map(part, jnp.arange(parts))
    return jnp.moveaxis(out, 0, 2).reshape(q.shape)


@jax.checkpoint  # gradients recompute the scores, which are many times the input
def _attend(q: Array, k: Array, v: Array) -> Array:
    scores = jnp.einsum("btsnd,busnd->bsntu", q, k, preferred_element_type=jnp.float32)
    weights = jax.nn.softmax(scores * q.shape[-1] ** -0.5, axis=-1)
    return jnp.einsum("bsntu,busnd->btsnd", weights.astype(v.dtype), v)

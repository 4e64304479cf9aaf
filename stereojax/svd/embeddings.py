"""Embeddings of times: the noise level, the frame rate, a frame's index."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, linear


class TimestepEmbedding(nnx.Module):
    """Two linear layers on a sinusoidal embedding."""

    def __init__(
        self,
        features_in: int,
        hidden: int,
        features_out: int,
        *,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        self.linear_1 = linear(features_in, hidden, compute=compute, rngs=rngs)
        self.linear_2 = linear(hidden, features_out, compute=compute, rngs=rngs)

    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b d"]:
        return self.linear_2(jax.nn.silu(self.linear_1(x)))


def sinusoids(values: Float[Array, "*b"], features: int) -> Float[Array, "*b c"]:
    """Cosines, then sines, of `values` times frequencies from 1 down to 1e-4; float32.

    diffusers' `Timesteps` with flip_sin_to_cos and no frequency shift.
    """
    half = features // 2
    frequencies = np.exp(-math.log(10000) * np.arange(half) / half).astype(np.float32)
    angles = values.astype(jnp.float32)[..., None] * frequencies
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)

"""The feed-forward layer of transformer blocks."""

import jax
import jax.numpy as jnp
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, linear


class GEGLU(nnx.Module):
    """One projection; its second half, through the exact GELU, gates its first."""

    def __init__(self, features: int, hidden: int, *, compute: Compute, rngs: nnx.Rngs):
        self.proj = linear(features, 2 * hidden, compute=compute, rngs=rngs)

    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b d"]:
        value, gate = jnp.split(self.proj(x), 2, axis=-1)
        return value * jax.nn.gelu(gate, approximate=False)


class FeedForward(nnx.Module):
    """GEGLU to four times the width and back."""

    def __init__(self, features: int, *, compute: Compute, rngs: nnx.Rngs):
        self.net = nnx.List(
            [
                GEGLU(features, 4 * features, compute=compute, rngs=rngs),
                nnx.identity,  # the dropout of diffusers, which numbers the layers
                linear(4 * features, features, compute=compute, rngs=rngs),
            ]
        )

    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        return self.net[2](self.net[0](x))

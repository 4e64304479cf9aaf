"""How a network runs, and layers of U-Net and VAE: channels last, `b t h w c`."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.ops.attention import Implementation
from stereojax.shapes import Array, Float


@dataclasses.dataclass(frozen=True)
class Compute:
    """How a network runs; nothing here changes what its weights mean."""

    dtype: Dtype = jnp.float32  # of activations; norms, softmax and sigmas stay float32
    param_dtype: Dtype = jnp.float32  # of stored weights
    attention: Implementation | None = None  # None chooses by device
    remat: bool = False  # gradients recompute each block instead of storing it

    @property
    def precise(self) -> "Compute":
        """For the first and last layers: float32, as what goes in and comes out is.

        bfloat16 has 8 bits: a picture, or latents with little noise, would lose some.
        """
        return dataclasses.replace(self, dtype=jnp.float32)

    @property
    def types(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "param_dtype": self.param_dtype}


def conv(
    features_in: int, features_out: int, size: int, *, compute: Compute, rngs: nnx.Rngs
) -> nnx.Conv:
    """A convolution within each frame that keeps the picture's size."""
    return nnx.Conv(features_in, features_out, (size, size), **compute.types, rngs=rngs)


def linear(
    features_in: int,
    features_out: int,
    *,
    use_bias: bool = True,
    compute: Compute,
    rngs: nnx.Rngs,
) -> nnx.Linear:
    return nnx.Linear(
        features_in, features_out, use_bias=use_bias, **compute.types, rngs=rngs
    )


class TemporalConv(nnx.Conv):
    """A 3x1x1 convolution over frames, zeros beyond the first and the last.

    Run as a 2-D (3, 1) convolution on `b t (h w) c`: a 3-D one makes XLA transpose the
    activations on a GPU, and is slower on a CPU.
    """

    def __init__(
        self, features_in: int, features_out: int, *, compute: Compute, rngs: nnx.Rngs
    ):
        super().__init__(
            features_in, features_out, (3, 1, 1), **compute.types, rngs=rngs
        )

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h w d"]:
        b, t, h, w, c = x.shape
        x = jax.lax.conv_general_dilated(
            x.reshape(b, t, h * w, c).astype(self.dtype),
            self.kernel[...][:, 0].astype(self.dtype),
            window_strides=(1, 1),
            padding=((1, 1), (0, 0)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return x.reshape(b, t, h, w, -1) + self.bias[...].astype(self.dtype)


class AlphaBlender(nnx.Module):
    """Mixes the spatial and the temporal result by one learned number.

    In the UNet sigmoid(mix_factor) is the spatial share; in the VAE it is the temporal
    one (`switched`).
    """

    def __init__(self, *, initial: float, switched: bool, compute: Compute):
        self.mix_factor = nnx.Param(jnp.full((1,), initial, compute.param_dtype))
        self.switched = switched

    def __call__(
        self, spatial: Float[Array, "*s"], temporal: Float[Array, "*s"]
    ) -> Float[Array, "*s"]:
        share = jax.nn.sigmoid(self.mix_factor[...].astype(jnp.float32))
        if self.switched:
            share = 1 - share
        share = share.astype(spatial.dtype)
        return share * spatial + (1 - share) * temporal


class Downsample2D(nnx.Module):
    """Halves height and width. `pad` is (before, after) on both axes."""

    def __init__(
        self, features: int, *, pad: tuple[int, int], compute: Compute, rngs: nnx.Rngs
    ):
        self.conv = nnx.Conv(
            features,
            features,
            (3, 3),
            strides=(2, 2),
            padding=(pad, pad),
            **compute.types,
            rngs=rngs,
        )

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h2 w2 c"]:
        return self.conv(x)


class Upsample2D(nnx.Module):
    """Doubles height and width by repetition, then convolves."""

    def __init__(self, features: int, *, compute: Compute, rngs: nnx.Rngs):
        self.conv = conv(features, features, 3, compute=compute, rngs=rngs)

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h2 w2 c"]:
        return self.conv(jnp.repeat(jnp.repeat(x, 2, axis=2), 2, axis=3))

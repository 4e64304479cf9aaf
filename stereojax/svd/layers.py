"""Layers shared by the U-Net and the VAE, and the settings they compute with.

Arrays are channels-last: `b t h w c`.
"""

import dataclasses
import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Dtype

from stereojax.ops.attention import Implementation
from stereojax.shapes import Array, Float


@dataclasses.dataclass(frozen=True)
class Compute:
    """Data types, attention implementation and rematerialisation of a network.

    The meaning of the weights does not depend on them.
    """

    dtype: Dtype = jnp.float32  # of activations; norms, softmax and sigmas stay float32
    param_dtype: Dtype = jnp.float32  # of stored weights
    attention: Implementation | None = None  # None chooses by device
    remat: bool = False  # recompute each block for gradients instead of storing it

    @property
    def in_float32(self) -> "Compute":
        """The same with float32 activations, for the first and last layers.

        bfloat16 has 8 significant bits: a picture, or latents with little noise, would
        lose precision.
        """
        return dataclasses.replace(self, dtype=jnp.float32)

    @property
    def types(self) -> dict[str, Any]:
        """The keyword arguments of flax layers."""
        return {"dtype": self.dtype, "param_dtype": self.param_dtype}


def conv(
    features_in: int, features_out: int, size: int, *, compute: Compute, rngs: nnx.Rngs
) -> nnx.Conv:
    """Returns a convolution within each frame that keeps height and width."""
    return nnx.Conv(features_in, features_out, (size, size), **compute.types, rngs=rngs)


def linear(
    features_in: int,
    features_out: int,
    *,
    use_bias: bool = True,
    compute: Compute,
    rngs: nnx.Rngs,
) -> nnx.Linear:
    """Returns a linear layer on the last axis."""
    return nnx.Linear(
        features_in, features_out, use_bias=use_bias, **compute.types, rngs=rngs
    )


class TemporalConv(nnx.Conv):
    """A 3x1x1 convolution over frames, zero-padded at the first and last frame.

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


class Downsample2D(nnx.Module):
    """Halves height and width; `pad` is the (before, after) padding of both axes."""

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


class AlphaBlender(nnx.Module):
    """Mixes the spatial and the temporal result by one learned factor.

    In the U-Net sigmoid(mix_factor) weights the spatial result; in the VAE it weights
    the temporal one (`switched`).
    """

    def __init__(self, *, initial: float, switched: bool, compute: Compute):
        self.mix_factor = nnx.Param(jnp.full((1,), initial, compute.param_dtype))
        self.switched = switched

    def __call__(
        self, spatial: Float[Array, "*s"], temporal: Float[Array, "*s"]
    ) -> Float[Array, "*s"]:
        weight = jax.nn.sigmoid(self.mix_factor[...].astype(jnp.float32))
        if self.switched:
            weight = 1 - weight
        weight = weight.astype(spatial.dtype)
        return weight * spatial + (1 - weight) * temporal


def layer_norm(features: int, *, compute: Compute, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Returns torch's layer norm: epsilon 1e-5, and the variance in two passes."""
    return nnx.LayerNorm(
        features, epsilon=1e-5, use_fast_variance=False, **compute.types, rngs=rngs
    )


# Mean and variance of each group: (b t 1 1 g), or (b 1 1 1 g) over all frames.
Moments = tuple[Array, Array]


class GroupNorm(nnx.GroupNorm):
    """Normalises 32 groups of channels, over each frame or over all frames jointly.

    Statistics are float32 and computed in two passes, by channel and then by group: on
    a CPU eight times faster than `nnx.GroupNorm`, which reduces channels and space at
    once.
    """

    def __init__(
        self,
        features: int,
        *,
        epsilon: float,
        over: Literal["frame", "frames"] = "frame",
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            features, num_groups=32, epsilon=epsilon, **compute.types, rngs=rngs
        )
        self.axes = (2, 3) if over == "frame" else (1, 2, 3)

    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
        return self.normalize(x, *self.moments(x))

    def moments(self, x: Float[Array, "b t h w c"]) -> Moments:
        """Returns the mean and the variance of each group."""
        x = x.astype(jnp.float32)
        mean = self._group_mean(x)
        return mean, self._group_mean(jnp.square(x - self._to_channels(mean)))

    def normalize(
        self,
        x: Float[Array, "b t h w c"],
        mean: Float[Array, "b tt 1 1 g"],
        variance: Float[Array, "b tt 1 1 g"],
    ) -> Float[Array, "b t h w c"]:
        """Returns `x` normalised by these moments, scaled and shifted."""
        factor = self._to_channels(jax.lax.rsqrt(variance + self.epsilon))
        factor = factor * self.scale[...].astype(jnp.float32)
        shift = self.bias[...].astype(jnp.float32) - self._to_channels(mean) * factor
        return (x.astype(jnp.float32) * factor + shift).astype(self.dtype)

    def _group_mean(self, x: Array) -> Array:
        x = x.mean(axis=self.axes, keepdims=True)
        return x.reshape(*x.shape[:-1], self.num_groups, -1).mean(axis=-1)

    def _to_channels(self, groups: Array) -> Array:
        return jnp.repeat(groups, self.group_size, axis=-1)


class GEGLU(nnx.Module):
    """Projects to two halves; the exact GELU of the second gates the first."""

    def __init__(self, features: int, hidden: int, *, compute: Compute, rngs: nnx.Rngs):
        self.proj = linear(features, 2 * hidden, compute=compute, rngs=rngs)

    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b d"]:
        value, gate = jnp.split(self.proj(x), 2, axis=-1)
        return value * jax.nn.gelu(gate, approximate=False)


class FeedForward(nnx.Module):
    """The feed-forward layer of transformer blocks: GEGLU of four times the width."""

    def __init__(self, features: int, *, compute: Compute, rngs: nnx.Rngs):
        self.net = nnx.List(
            [
                GEGLU(features, 4 * features, compute=compute, rngs=rngs),
                nnx.identity,  # diffusers has a dropout here, which counts as layer 1
                linear(4 * features, features, compute=compute, rngs=rngs),
            ]
        )

    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        return self.net[2](self.net[0](x))


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
    """Returns cosines, then sines, of `values` times frequencies from 1 down to 1e-4.

    In float32; diffusers' `Timesteps` with flip_sin_to_cos and no frequency shift.
    """
    half = features // 2
    frequencies = np.exp(-math.log(10000) * np.arange(half) / half).astype(np.float32)
    angles = values.astype(jnp.float32)[..., None] * frequencies
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)

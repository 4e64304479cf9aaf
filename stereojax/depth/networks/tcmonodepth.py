"""The small network of TCMonoDepth (Li et al., ICCV Workshops 2021).

A ShuffleNetV2 encoder (arXiv 1807.11164) without its pooling, and a decoder of
separable convolutions with skip connections. Follows yu-li/TCMonoDepth (MIT); attribute
names are those of its checkpoint.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.ops.bilinear import bilinear
from stereojax.ops.taps import resize
from stereojax.shapes import Array, Float


@dataclasses.dataclass(frozen=True)
class TCMonoDepthConfig:
    """Sizes. The default is the published small network."""

    channels: tuple[int, int, int, int] = (24, 48, 96, 192)  # at 1/2, 1/4, 1/8, 1/16
    blocks: tuple[int, int, int] = (4, 8, 4)  # of the encoder, at 1/4, 1/8 and 1/16

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "TCMonoDepthConfig":
        """From JSON, where tuples are lists."""
        return cls(**{name: tuple(values) for name, values in sizes.items()})


PRESETS = {"tcmonodepth_small": TCMonoDepthConfig()}
MULTIPLE = 32  # of which the published code makes both sides of the picture


class TCMonoDepthNetwork(nnx.Module):
    """A picture to raw relative inverse depth at the picture's size; inference only."""

    def __init__(
        self,
        config: TCMonoDepthConfig,
        *,
        dtype: Dtype | None = None,  # to compute; None as the parameters are
        param_dtype: Dtype = jnp.float32,  # to store
        rngs: nnx.Rngs,
    ):
        how = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.config = config
        self.encoder = Encoder(config, **how)
        self.decoder = Decoder(config.channels, **how)

    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b h w"]:
        """Takes RGB in [0, 1], both sides even; the published code starts at 0 to 255.

        Returns float32 >= 0, larger = nearer, of no fixed scale.
        """
        return self.decoder(self.encoder(image))


class Encoder(nnx.Module):
    """Feature maps at 1/2, 1/4, 1/8 and 1/16 of the picture's size."""

    def __init__(self, config: TCMonoDepthConfig, **how):
        first, *others = config.channels
        self.first_conv = nnx.List(
            [_conv(3, first, 3, strides=2, **how), _norm(first, **how), jax.nn.relu]
        )
        features, inputs = [], first
        for outputs, count in zip(others, config.blocks, strict=True):
            features.append(DownBlock(inputs, outputs, **how))
            features += [ShuffleBlock(outputs, **how) for _ in range(count - 1)]
            inputs = outputs
        self.features = nnx.List(features)

    def __call__(self, x: Float[Array, "b h w 3"]) -> list[Float[Array, "b _ _ _"]]:
        x = _run(self.first_conv, x)
        maps = []
        for block in self.features:
            if isinstance(block, DownBlock):
                maps.append(x)
            x = block(x)
        return [*maps, x]


class DownBlock(nnx.Module):
    """Halves the size; both branches see every channel."""

    def __init__(self, inputs: int, outputs: int, **how):
        self.branch_proj = nnx.List(
            [
                Depthwise(inputs, strides=2, **how),
                _norm(inputs, **how),
                _conv(inputs, inputs, 1, **how),
                _norm(inputs, **how),
                jax.nn.relu,
            ]
        )
        main = _branch(inputs, outputs // 2, outputs - inputs, 2, **how)
        self.branch_main = nnx.List(main)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 d"]:
        parts = [_run(self.branch_proj, x), _run(self.branch_main, x)]
        return jnp.concatenate(parts, axis=-1)


class ShuffleBlock(nnx.Module):
    """Passes the even channels on as they are and works on the odd ones."""

    def __init__(self, channels: int, **how):
        half = channels // 2
        self.branch_main = nnx.List(_branch(half, half, channels - half, 1, **how))

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        even, odd = x[..., 0::2], x[..., 1::2]
        return jnp.concatenate([even, _run(self.branch_main, odd)], axis=-1)


class Decoder(nnx.Module):
    """Merges the maps from the coarsest to the finest, then predicts."""

    def __init__(self, channels: tuple[int, int, int, int], **how):
        one, two, three, four = channels
        self.decoder3 = DecoderBlock(three, four, **how)
        self.decoder2 = DecoderBlock(two, three, **how)
        self.decoder1 = DecoderBlock(one, two, **how)
        # Always float32: a depth of 8 significant bits would be seen as steps.
        exact = {**how, "dtype": jnp.float32}
        self.final = _conv(one, 1, 3, use_bias=True, **exact)

    def __call__(self, maps: list[Float[Array, "b _ _ _"]]) -> Float[Array, "b h w"]:
        one, two, three, x = maps
        x = self.decoder3(three, x)
        x = self.decoder2(two, x)
        x = self.decoder1(one, x)
        x = jax.nn.relu(self.final(x))
        return _upsample(x, (2 * x.shape[1], 2 * x.shape[2]))[..., 0]


class DecoderBlock(nnx.Module):
    """Brings a coarse map to the size of a fine one and merges both."""

    def __init__(self, fine: int, coarse: int, **how):
        skip = coarse // 4
        self.skip_conv = nnx.List(
            [_conv(fine, skip, 1, **how), _norm(skip, **how), jax.nn.relu]
        )
        self.last_conv = nnx.List(
            [
                SeparableConv(coarse + skip, fine, **how),
                _norm(fine, **how),
                jax.nn.relu,
            ]
        )

    def __call__(
        self, fine: Float[Array, "b h w c"], coarse: Float[Array, "b h2 w2 d"]
    ) -> Float[Array, "b h w c"]:
        coarse = _upsample(coarse, fine.shape[1:3])
        merged = jnp.concatenate([coarse, _run(self.skip_conv, fine)], axis=-1)
        return _run(self.last_conv, merged)


class SeparableConv(nnx.Module):
    """A depthwise convolution, then a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, **how):
        self.conv = nnx.List(
            [
                Depthwise(inputs, **how),
                _norm(inputs, **how),
                jax.nn.relu,
                _conv(inputs, outputs, 1, **how),
            ]
        )

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
        return _run(self.conv, x)


class Depthwise(nnx.Conv):
    """A 3x3 convolution of each channel on its own, as a sum of shifted products.

    XLA's grouped convolution is several times slower on a CPU.
    """

    def __init__(self, channels: int, *, strides: int = 1, **how):
        super().__init__(
            channels,
            channels,
            (3, 3),
            strides=strides,
            feature_group_count=channels,
            use_bias=False,
            **how,
        )

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
        """Sums in float32; the result is of the type that the module computes in."""
        step = self.strides
        height, width = (-(-n // step) for n in x.shape[1:3])
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(jnp.float32)
        kernel = self.kernel[...].astype(jnp.float32)
        total = sum(
            padded[
                :,
                row : row + (height - 1) * step + 1 : step,
                column : column + (width - 1) * step + 1 : step,
            ]
            * kernel[row, column, 0]
            for row in range(3)
            for column in range(3)
        )
        return total.astype(self.dtype or x.dtype)


def _branch(
    inputs: int, middle: int, outputs: int, strides: int, **how
) -> list[Callable[[Array], Array]]:
    """1x1, depthwise and 1x1 convolutions, each normalised."""
    return [
        _conv(inputs, middle, 1, **how),
        _norm(middle, **how),
        jax.nn.relu,
        Depthwise(middle, strides=strides, **how),
        _norm(middle, **how),
        _conv(middle, outputs, 1, **how),
        _norm(outputs, **how),
        jax.nn.relu,
    ]


def _conv(inputs: int, outputs: int, size: int, **how) -> nnx.Conv:
    # Not "SAME", which pads other sides than torch where the stride is 2.
    edge = size // 2
    how = {"use_bias": False, **how}
    return nnx.Conv(inputs, outputs, (size, size), padding=((edge, edge),) * 2, **how)


def _norm(channels: int, **how) -> nnx.BatchNorm:
    """A batch norm by its running statistics."""
    return nnx.BatchNorm(channels, use_running_average=True, epsilon=1e-5, **how)


def _run(layers: Iterable[Callable[[Array], Array]], x: Array) -> Array:
    for layer in layers:
        x = layer(x)
    return x


def _upsample(
    x: Float[Array, "b h w c"], size: tuple[int, int]
) -> Float[Array, "b h2 w2 c"]:
    """Bilinear; the outer edges of the picture keep their place."""
    rows, columns = (
        bilinear(n, m, align_corners=False)
        for n, m in zip(x.shape[1:3], size, strict=True)
    )
    return resize(x, rows, columns)

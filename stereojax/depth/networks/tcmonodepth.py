"""The small network of TCMonoDepth (Li et al., ICCV Workshops 2021).

A ShuffleNetV2 encoder (arXiv 1807.11164) without pooling, and a decoder of
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
    """Sizes of the network; the defaults are the published small network's."""

    channels: tuple[int, int, int, int] = (24, 48, 96, 192)  # at 1/2, 1/4, 1/8, 1/16
    blocks: tuple[int, int, int] = (4, 8, 4)  # encoder blocks at 1/4, 1/8 and 1/16

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> "TCMonoDepthConfig":
        """Builds the config from JSON, where tuples are lists."""
        return cls(**{name: tuple(values) for name, values in sizes.items()})


PRESETS = {"tcmonodepth_small": TCMonoDepthConfig()}
MULTIPLE = 32  # the published code resizes height and width to multiples of this


class TCMonoDepthNetwork(nnx.Module):
    """Estimates raw relative inverse depth at the picture's size; inference only."""

    def __init__(
        self,
        config: TCMonoDepthConfig,
        *,
        dtype: Dtype | None = None,  # dtype of the computation; None is `param_dtype`
        param_dtype: Dtype = jnp.float32,  # dtype of the stored weights
        rngs: nnx.Rngs,
    ):
        kwargs = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.config = config
        self.encoder = Encoder(config, **kwargs)
        self.decoder = Decoder(config.channels, **kwargs)

    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b h w"]:
        """Returns float32 relative inverse depth: >= 0, larger = nearer, any scale.

        `image`: RGB in [0, 1], of even height and width. The published code takes
        values from 0 to 255.
        """
        return self.decoder(self.encoder(image))


class Encoder(nnx.Module):
    """Encodes a picture as feature maps at 1/2, 1/4, 1/8 and 1/16 of its size."""

    def __init__(self, config: TCMonoDepthConfig, **kwargs):
        first, *others = config.channels
        self.first_conv = nnx.List(
            [
                _conv(3, first, 3, strides=2, **kwargs),
                _norm(first, **kwargs),
                jax.nn.relu,
            ]
        )
        features, inputs = [], first
        for outputs, count in zip(others, config.blocks, strict=True):
            features.append(DownBlock(inputs, outputs, **kwargs))
            features += [ShuffleBlock(outputs, **kwargs) for _ in range(count - 1)]
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
    """A ShuffleNetV2 block that halves the size; both branches take all channels."""

    def __init__(self, inputs: int, outputs: int, **kwargs):
        self.branch_proj = nnx.List(
            [
                Depthwise(inputs, strides=2, **kwargs),
                _norm(inputs, **kwargs),
                _conv(inputs, inputs, 1, **kwargs),
                _norm(inputs, **kwargs),
                jax.nn.relu,
            ]
        )
        main = _branch(inputs, outputs // 2, outputs - inputs, 2, **kwargs)
        self.branch_main = nnx.List(main)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 d"]:
        parts = [_run(self.branch_proj, x), _run(self.branch_main, x)]
        return jnp.concatenate(parts, axis=-1)


class ShuffleBlock(nnx.Module):
    """A ShuffleNetV2 block: copies even channels, applies a branch to odd channels."""

    def __init__(self, channels: int, **kwargs):
        half = channels // 2
        self.branch_main = nnx.List(_branch(half, half, channels - half, 1, **kwargs))

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        even, odd = x[..., 0::2], x[..., 1::2]
        return jnp.concatenate([even, _run(self.branch_main, odd)], axis=-1)


class Decoder(nnx.Module):
    """Merges the feature maps from the coarsest to the finest, then predicts depth."""

    def __init__(self, channels: tuple[int, int, int, int], **kwargs):
        one, two, three, four = channels
        self.decoder3 = DecoderBlock(three, four, **kwargs)
        self.decoder2 = DecoderBlock(two, three, **kwargs)
        self.decoder1 = DecoderBlock(one, two, **kwargs)
        # Always float32: bfloat16 has 8 significant bits, and depth would show bands.
        in_float32 = {**kwargs, "dtype": jnp.float32}
        self.final = _conv(one, 1, 3, use_bias=True, **in_float32)

    def __call__(self, maps: list[Float[Array, "b _ _ _"]]) -> Float[Array, "b h w"]:
        one, two, three, x = maps
        x = self.decoder3(three, x)
        x = self.decoder2(two, x)
        x = self.decoder1(one, x)
        x = jax.nn.relu(self.final(x))
        return _upsample(x, (2 * x.shape[1], 2 * x.shape[2]))[..., 0]


class DecoderBlock(nnx.Module):
    """Upsamples a coarse feature map to the size of a fine feature map; merges both."""

    def __init__(self, fine: int, coarse: int, **kwargs):
        skip = coarse // 4
        self.skip_conv = nnx.List(
            [_conv(fine, skip, 1, **kwargs), _norm(skip, **kwargs), jax.nn.relu]
        )
        self.last_conv = nnx.List(
            [
                SeparableConv(coarse + skip, fine, **kwargs),
                _norm(fine, **kwargs),
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

    def __init__(self, inputs: int, outputs: int, **kwargs):
        self.conv = nnx.List(
            [
                Depthwise(inputs, **kwargs),
                _norm(inputs, **kwargs),
                jax.nn.relu,
                _conv(inputs, outputs, 1, **kwargs),
            ]
        )

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
        return _run(self.conv, x)


class Depthwise(nnx.Conv):
    """A depthwise 3x3 convolution, computed as a sum of shifted products.

    XLA's grouped convolution is several times slower on a CPU.
    """

    def __init__(self, channels: int, *, strides: int = 1, **kwargs):
        super().__init__(
            channels,
            channels,
            (3, 3),
            strides=strides,
            feature_group_count=channels,
            use_bias=False,
            **kwargs,
        )

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
        """Sums in float32; the result has the module's dtype."""
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
    inputs: int, middle: int, outputs: int, strides: int, **kwargs
) -> list[Callable[[Array], Array]]:
    """Returns 1x1, depthwise and 1x1 convolutions, each followed by a batch norm."""
    return [
        _conv(inputs, middle, 1, **kwargs),
        _norm(middle, **kwargs),
        jax.nn.relu,
        Depthwise(middle, strides=strides, **kwargs),
        _norm(middle, **kwargs),
        _conv(middle, outputs, 1, **kwargs),
        _norm(outputs, **kwargs),
        jax.nn.relu,
    ]


def _conv(inputs: int, outputs: int, size: int, **kwargs) -> nnx.Conv:
    # Not "SAME": at a stride of 2 it pads differently from torch.
    edge = size // 2
    kwargs = {"use_bias": False, **kwargs}
    return nnx.Conv(
        inputs, outputs, (size, size), padding=((edge, edge),) * 2, **kwargs
    )


def _norm(channels: int, **kwargs) -> nnx.BatchNorm:
    """Returns a batch norm that uses its running statistics."""
    return nnx.BatchNorm(channels, use_running_average=True, epsilon=1e-5, **kwargs)


def _run(layers: Iterable[Callable[[Array], Array]], x: Array) -> Array:
    for layer in layers:
        x = layer(x)
    return x


def _upsample(
    x: Float[Array, "b h w c"], size: tuple[int, int]
) -> Float[Array, "b h2 w2 c"]:
    """Resizes bilinearly with half-pixel centres (`align_corners=False`)."""
    rows, columns = (
        bilinear(n, m, align_corners=False)
        for n, m in zip(x.shape[1:3], size, strict=True)
    )
    return resize(x, rows, columns)

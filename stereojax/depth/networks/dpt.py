"""DPT, the dense prediction head of Depth Anything V2.

Follows DepthAnything/Depth-Anything-V2 (Apache-2.0), after DPT (arXiv 2103.13413);
attribute names are those of its checkpoints.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from stereojax.ops.bilinear import bilinear
from stereojax.ops.taps import resize
from stereojax.shapes import Array, Float


class DptHead(nnx.Module):
    """Maps features at four depths of the transformer to one value per pixel, >= 0."""

    def __init__(
        self,
        *,
        dim: int,
        features: int,
        out_channels: tuple[int, ...],
        last: int,
        patch: int,
        dtype: Dtype | None,
        param_dtype: Dtype,
        rngs: nnx.Rngs,
    ):
        kwargs = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        one, two, _, four = out_channels
        self.patch = patch
        self.projects = nnx.List([_conv(dim, c, 1, **kwargs) for c in out_channels])
        self.resize_layers = nnx.List(
            [
                nnx.ConvTranspose(one, one, (4, 4), 4, padding="VALID", **kwargs),
                nnx.ConvTranspose(two, two, (2, 2), 2, padding="VALID", **kwargs),
                _identity,
                _conv(four, four, 3, strides=2, **kwargs),
            ]
        )
        self.scratch = Scratch(features, out_channels, last, **kwargs)

    def __call__(
        self, features: list[Float[Array, "b ph pw c"]]
    ) -> Float[Array, "b h w"]:
        x1, x2, x3, x4 = (
            self.equal_width(i, self.reassemble(i, x)) for i, x in enumerate(features)
        )
        path = self.scratch.refinenet4(x4, None, x3.shape[1:3])
        path = self.scratch.refinenet3(path, x3, x2.shape[1:3])
        return self.predict(path, x2, x1, features[0].shape[1:3])

    def reassemble(
        self, i: int, x: Float[Array, "b ph pw c"]
    ) -> Float[Array, "b _ _ d"]:
        """Returns the features of depth `i` at 4, 2, 1 or 1/2 times their size."""
        return self.resize_layers[i](self.projects[i](x))

    def equal_width(
        self, i: int, x: Float[Array, "b mh mw d"]
    ) -> Float[Array, "b mh mw e"]:
        """Projects the map of depth `i` to the number of channels of all maps."""
        return getattr(self.scratch, f"layer{i + 1}_rn")(x)

    def predict(
        self,
        path: Float[Array, "b h2 w2 e"],
        x2: Float[Array, "b h2 w2 e"],
        x1: Float[Array, "b h1 w1 e"],
        patches: tuple[int, int],  # rows and columns
    ) -> Float[Array, "b h w"]:
        """Fuses the two finest maps and predicts depth: most of the head's work."""
        scratch = self.scratch
        path = scratch.refinenet2(path, x2, x1.shape[1:3])
        path = scratch.refinenet1(path, x1, (2 * x1.shape[1], 2 * x1.shape[2]))
        rows, columns = patches
        size = rows * self.patch, columns * self.patch
        x = upsample(scratch.output_conv1(path), size)
        for layer in scratch.output_conv2:
            x = layer(x)
        return x[..., 0]


class Scratch(nnx.Module):
    """Layers that fuse the maps from the coarsest to the finest, then predict."""

    def __init__(self, features: int, channels: tuple[int, ...], last: int, **kwargs):
        without_bias = {"use_bias": False, **kwargs}
        self.layer1_rn = _conv(channels[0], features, 3, **without_bias)
        self.layer2_rn = _conv(channels[1], features, 3, **without_bias)
        self.layer3_rn = _conv(channels[2], features, 3, **without_bias)
        self.layer4_rn = _conv(channels[3], features, 3, **without_bias)
        self.refinenet1 = Fusion(features, **kwargs)
        self.refinenet2 = Fusion(features, **kwargs)
        self.refinenet3 = Fusion(features, **kwargs)
        self.refinenet4 = Fusion(features, skip=False, **kwargs)
        self.output_conv1 = _conv(features, features // 2, 3, **kwargs)
        # Always float32: depth with 8 significant bits would show steps.
        in_float32 = {**kwargs, "dtype": jnp.float32}
        self.output_conv2 = nnx.List(
            [
                _conv(features // 2, last, 3, **in_float32),
                jax.nn.relu,
                _conv(last, 1, 1, **in_float32),
                jax.nn.relu,
            ]
        )


class Fusion(nnx.Module):
    """Adds the skip to the path, refines, and upsamples to the next map's size."""

    def __init__(self, features: int, *, skip: bool = True, **kwargs):
        self.resConfUnit1 = ResidualUnit(features, **kwargs) if skip else None
        self.resConfUnit2 = ResidualUnit(features, **kwargs)
        self.out_conv = _conv(features, features, 1, **kwargs)

    def __call__(
        self,
        path: Float[Array, "b h w c"],
        skip: Float[Array, "b h w c"] | None,
        size: tuple[int, int],
    ) -> Float[Array, "b h2 w2 c"]:
        if skip is not None:
            path = path + self.resConfUnit1(skip)
        # The original upsamples first. A 1x1 convolution commutes with interpolation,
        # whose weights sum to 1, and costs a quarter here.
        return upsample(self.out_conv(self.resConfUnit2(path)), size)


class ResidualUnit(nnx.Module):
    """Two 3x3 convolutions with a residual."""

    def __init__(self, features: int, **kwargs):
        self.conv1 = _conv(features, features, 3, **kwargs)
        self.conv2 = _conv(features, features, 3, **kwargs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        return x + self.conv2(jax.nn.relu(self.conv1(jax.nn.relu(x))))


def upsample(
    x: Float[Array, "b h w c"], size: tuple[int, int]
) -> Float[Array, "b h2 w2 c"]:
    """Resizes bilinearly with aligned corners."""
    rows, columns = (
        bilinear(n, m, align_corners=True)
        for n, m in zip(x.shape[1:3], size, strict=True)
    )
    return resize(x, rows, columns)


def _conv(inputs: int, outputs: int, size: int, **kwargs) -> nnx.Conv:
    # Not "SAME": at a stride of 2 it pads differently from torch.
    edge = size // 2
    return nnx.Conv(
        inputs, outputs, (size, size), padding=((edge, edge),) * 2, **kwargs
    )


def _identity(x: Array) -> Array:
    return x

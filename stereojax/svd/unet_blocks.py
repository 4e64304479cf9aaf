"""Down, middle and up blocks of the U-Net.

Follows diffusers 0.42 (Apache-2.0), models/unets/unet_3d_blocks.py. One class serves
the blocks with and without attention: without, `attentions` is None.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, Downsample2D, Upsample2D
from stereojax.svd.resnet import SpatioTemporalResBlock, residual_blocks
from stereojax.svd.transformer import TransformerSpatioTemporalModel


class UNetBlock(nnx.Module):
    """Residual blocks, followed by attention if the block has any."""

    def __init__(
        self,
        features_in: list[int],
        features_out: int,
        *,
        attentions: int,
        heads: int | None,
        context_features: int,
        time_features: int,
        epsilon: float,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """`features_in`: channels into each block; without `heads`, no attention."""
        kwargs = {"compute": compute, "rngs": rngs}
        self.remat = compute.remat
        self.resnets = residual_blocks(
            SpatioTemporalResBlock,
            features_in,
            features_out,
            time_features=time_features,
            epsilon=epsilon,
            **kwargs,
        )
        self.attentions = (
            None
            if heads is None
            else nnx.List(
                TransformerSpatioTemporalModel(
                    features_out,
                    heads=heads,
                    context_features=context_features,
                    **kwargs,
                )
                for _ in range(attentions)
            )
        )

    def layer(
        self, i: int, x: Array, temb: Array, context: Array, *, attend: bool = True
    ) -> Array:
        """Applies residual block `i` and, if there is any, the attention after it."""
        run = _rematerialized if self.remat else _layer
        attend = attend and self.attentions is not None
        attention = self.attentions[i] if attend else None
        return run(self.resnets[i], attention, x, temb, context)


def _layer(
    resnet: nnx.Module,
    attention: nnx.Module | None,
    x: Array,
    temb: Array,
    context: Array,
) -> Array:
    x = resnet(x, temb)
    return x if attention is None else attention(x, context)


def _rematerialized(
    resnet: nnx.Module,
    attention: nnx.Module | None,
    x: Array,
    temb: Array,
    context: Array,
) -> Array:
    """As `_layer`; gradients compute it again instead of storing its intermediates.

    Not `nnx.remat`: it writes the arrays back to the modules, which fails inside a loop
    that closes over the network.
    """
    graph, state = nnx.split((resnet, attention))

    @jax.checkpoint
    def run(state: Any, x: Array, temb: Array, context: Array) -> Array:
        return _layer(*nnx.merge(graph, state), x, temb, context)

    return run(state, x, temb, context)


class DownBlock(UNetBlock):
    """CrossAttnDownBlockSpatioTemporal, or with `heads` None DownBlockSpatioTemporal.

    Also returns every layer's result, as skips for the up blocks.
    """

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        layers: int,
        heads: int | None,
        downsample: bool,
        compute: Compute,
        rngs: nnx.Rngs,
        **sizes: int,
    ):
        super().__init__(
            [features_in, *[features_out] * (layers - 1)],
            features_out,
            attentions=layers,
            heads=heads,
            epsilon=1e-5 if heads is None else 1e-6,
            compute=compute,
            rngs=rngs,
            **sizes,
        )
        self.downsamplers = (
            nnx.List(
                [Downsample2D(features_out, pad=(1, 1), compute=compute, rngs=rngs)]
            )
            if downsample
            else None
        )

    def __call__(
        self,
        x: Float[Array, "b t h w c"],
        temb: Float[Array, "b k"],
        context: Float[Array, "b n d"],
    ) -> tuple[Float[Array, "b t h2 w2 e"], list[Array]]:
        skips = []
        for i in range(len(self.resnets)):
            x = self.layer(i, x, temb, context)
            skips.append(x)
        if self.downsamplers is not None:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x, skips


class MidBlock(UNetBlock):
    """UNetMidBlockSpatioTemporal: residual block, attention, residual block."""

    def __init__(self, features: int, **kwargs: Any):
        super().__init__(
            [features, features], features, attentions=1, epsilon=1e-5, **kwargs
        )

    def __call__(
        self,
        x: Float[Array, "b t h w c"],
        temb: Float[Array, "b k"],
        context: Float[Array, "b n d"],
    ) -> Float[Array, "b t h w c"]:
        x = self.layer(0, x, temb, context)
        return self.layer(1, x, temb, context, attend=False)


class UpBlock(UNetBlock):
    """CrossAttnUpBlockSpatioTemporal, or with `heads` None UpBlockSpatioTemporal."""

    def __init__(
        self,
        features_in: list[int],
        features_out: int,
        *,
        upsample: bool,
        compute: Compute,
        rngs: nnx.Rngs,
        **kwargs: Any,
    ):
        """`features_in`: channels into each layer, those of its skip included."""
        super().__init__(
            features_in,
            features_out,
            attentions=len(features_in),
            epsilon=1e-6,
            compute=compute,
            rngs=rngs,
            **kwargs,
        )
        self.upsamplers = (
            nnx.List([Upsample2D(features_out, compute=compute, rngs=rngs)])
            if upsample
            else None
        )

    def __call__(
        self,
        x: Float[Array, "b t h w c"],
        skips: list[Array],
        temb: Float[Array, "b k"],
        context: Float[Array, "b n d"],
    ) -> Float[Array, "b t h2 w2 e"]:
        for i in range(len(self.resnets)):
            x = jnp.concatenate([x, skips.pop()], axis=-1)
            x = self.layer(i, x, temb, context)
        return x if self.upsamplers is None else self.upsamplers[0](x)

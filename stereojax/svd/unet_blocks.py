"""Down, middle and up blocks of the UNet.

Follows diffusers 0.42 (Apache-2.0), models/unets/unet_3d_blocks.py. One class serves
the blocks with and without attention: without, `attentions` is None.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from stereojax.shapes import Array, Float
from stereojax.svd.layers import Compute, Downsample2D, Upsample2D
from stereojax.svd.resnet import SpatioTemporalResBlock
from stereojax.svd.transformer import TransformerSpatioTemporalModel


class UNetBlock(nnx.Module):
    """What the blocks share: residual blocks, each with attention after it or none."""

    resnets: nnx.List
    attentions: nnx.List | None
    remat: bool

    def layer(self, i: int, x: Array, temb: Array, context: Array) -> Array:
        run = _recomputed if self.remat else _layer
        attention = None if self.attentions is None else self.attentions[i]
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


def _recomputed(
    resnet: nnx.Module,
    attention: nnx.Module | None,
    x: Array,
    temb: Array,
    context: Array,
) -> Array:
    """As `_layer`; a gradient computes it again. `nnx.remat` would not go in a loop.

    It writes the arrays back to the modules, which are from outside of it there.
    """
    graph, state = nnx.split((resnet, attention))

    @jax.checkpoint
    def run(state: Any, x: Array, temb: Array, context: Array) -> Array:
        return _layer(*nnx.merge(graph, state), x, temb, context)

    return run(state, x, temb, context)


class DownBlock(UNetBlock):
    """CrossAttnDownBlockSpatioTemporal, or with `heads` None DownBlockSpatioTemporal.

    Returns every layer's result too, for the up blocks.
    """

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        layers: int,
        heads: int | None,
        context_features: int,
        downsample: bool,
        time_features: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        more = {"compute": compute, "rngs": rngs}
        self.remat = compute.remat
        self.resnets = nnx.List(
            SpatioTemporalResBlock(
                features_in if i == 0 else features_out,
                features_out,
                time_features=time_features,
                epsilon=1e-5 if heads is None else 1e-6,
                **more,
            )
            for i in range(layers)
        )
        self.attentions = _attentions(
            layers, features_out, heads, context_features, **more
        )
        self.downsamplers = (
            nnx.List([Downsample2D(features_out, pad=(1, 1), **more)])
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

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        context_features: int,
        time_features: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        more = {"compute": compute, "rngs": rngs}
        self.remat = compute.remat
        self.resnets = nnx.List(
            SpatioTemporalResBlock(
                features, features, time_features=time_features, epsilon=1e-5, **more
            )
            for _ in range(2)
        )
        self.attentions = _attentions(1, features, heads, context_features, **more)

    def __call__(
        self,
        x: Float[Array, "b t h w c"],
        temb: Float[Array, "b k"],
        context: Float[Array, "b n d"],
    ) -> Float[Array, "b t h w c"]:
        x = self.layer(0, x, temb, context)
        run = _recomputed if self.remat else _layer
        return run(self.resnets[1], None, x, temb, context)


class UpBlock(UNetBlock):
    """CrossAttnUpBlockSpatioTemporal, or with `heads` None UpBlockSpatioTemporal."""

    def __init__(
        self,
        features_in: list[int],
        features_out: int,
        *,
        heads: int | None,
        context_features: int,
        upsample: bool,
        time_features: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """`features_in` has one number a layer: what comes in and its skip together."""
        more = {"compute": compute, "rngs": rngs}
        self.remat = compute.remat
        self.resnets = nnx.List(
            SpatioTemporalResBlock(
                features,
                features_out,
                time_features=time_features,
                epsilon=1e-6,
                **more,
            )
            for features in features_in
        )
        self.attentions = _attentions(
            len(features_in), features_out, heads, context_features, **more
        )
        self.upsamplers = (
            nnx.List([Upsample2D(features_out, **more)]) if upsample else None
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


def _attentions(
    layers: int,
    features: int,
    heads: int | None,
    context_features: int,
    *,
    compute: Compute,
    rngs: nnx.Rngs,
) -> nnx.Module | None:
    if heads is None:
        return None
    return nnx.List(
        TransformerSpatioTemporalModel(
            features,
            heads=heads,
            context_features=context_features,
            compute=compute,
            rngs=rngs,
        )
        for _ in range(layers)
    )

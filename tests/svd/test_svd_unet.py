"""Compares the converted U-Net with diffusers'; checks the published sizes."""

import math
from collections import Counter
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference as reference
import torch
from flax import nnx
from jax.extend.core import jaxprs_in_params
from svd_reference import (
    UNET,
    converted,
    error,
    noise,
    replaced,
    roles,
    run,
    to_jax,
    to_numpy,
    undetected,
)

from stereojax.svd.layers import Compute
from stereojax.svd.unet import (
    STEREOCRAFTER,
    SVD_XT,
    UNetConfig,
    UNetSpatioTemporalConditionModel,
)
from stereojax.svd.unet_blocks import DownBlock
from stereojax.weights.abstract import abstract

B, T, H, W = 2, 3, 6, 10
TOL = 1e-4  # for a complete network


def make(in_channels: int, **settings):
    config = UNetConfig(**{**vars(UNET), "in_channels": in_channels})
    model = abstract(
        lambda rngs: UNetSpatioTemporalConditionModel(config, **settings, rngs=rngs)
    )
    return converted(model, reference.unet(in_channels))


def inputs(in_channels: int, contexts: int):
    return (
        noise(B, T, in_channels, H, W),
        torch.tensor([1.63777, -0.3]),
        noise(B, contexts, UNET.cross_attention_dim, seed=1),
        torch.tensor([[6.0, 127.0, 0.02], [7.0, 100.0, 0.0]]),
    )


def expected(in_channels: int, x, time, context, ids):
    """Returns the prediction of diffusers' U-Net.

    diffusers repeats one context over the frames. DepthCrafter changes only this: each
    frame has its own context, which `PerFrame` keeps from being repeated.
    """
    module = reference.unet(in_channels)
    if context.shape[1] > 1:
        context = PerFrame(context.flatten(0, 1)[:, None])
    with torch.no_grad():
        return to_numpy(module(x, time, context, ids).sample)


class PerFrame(torch.Tensor):
    """A context with one entry per frame, which is not repeated over the frames."""

    @staticmethod
    def __new__(cls, context):
        return context.as_subclass(cls)

    def repeat_interleave(self, *args, **kwargs):
        return self.as_subclass(torch.Tensor)


@pytest.mark.parametrize(
    ("in_channels", "contexts"), [(9, 1), (8, T)], ids=["stereocrafter", "depthcrafter"]
)
def test_predictions_match_diffusers(in_channels, contexts):
    arguments = inputs(in_channels, contexts)
    out = run(make(in_channels), *map(to_jax, arguments))
    assert error(out, expected(in_channels, *arguments)) < TOL
    x, time, context, ids = arguments
    assert error(out, expected(in_channels, x, time, context[:, -1:] + 0.1, ids)) > 0.01


def test_one_wrong_weight_of_any_kind_is_detected():
    model, arguments = make(9), inputs(9, 1)
    prediction = expected(9, *arguments)
    arguments = [to_jax(x) for x in arguments]

    def current_error(path: tuple) -> float:
        return error(run(model, *arguments), prediction)

    # With one context token, weights that affect only attention scores have no effect.
    inert = ("attn2.to_q.kernel", "attn2.to_k.kernel", "norm2.scale", "norm2.bias")
    no_effect = [
        name
        for name in roles(model)
        if name.endswith(inert) and "transformer_blocks" in name
    ]
    assert len(no_effect) == 6 * len(inert)
    assert undetected(model, current_error, at_least=240) == sorted(no_effect)
    # The converter's shape check cannot detect a transposed square matrix.
    square = ("mid_block", "attentions", 0, "proj_in", "kernel")
    with replaced(model, square, jnp.transpose):
        assert current_error(square) > 10 * TOL


def test_remat_stores_the_inputs_of_blocks_only():
    arguments = [to_jax(x) for x in inputs(8, 1)]

    def residual_bytes(remat: bool) -> int:
        """Returns the bytes that the forward pass stores for gradients."""
        config = UNetConfig(**vars(UNET))
        graph, state = nnx.split(
            abstract(
                lambda rngs: UNetSpatioTemporalConditionModel(
                    config, remat=remat, rngs=rngs
                )
            )
        )
        residuals = jax.eval_shape(
            lambda s: jax.vjp(lambda s: nnx.merge(graph, s)(*arguments), s)[1], state
        )
        return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(residuals))

    weights = 4 * sum(p.numel() for p in reference.unet(8).parameters())
    assert residual_bytes(True) - weights < 0.25 * (residual_bytes(False) - weights)


def test_remat_does_not_change_gradients():
    x, temb, context = (
        to_jax(noise(*shape)) for shape in [(1, 2, 32, 4, 6), (1, 16), (1, 1, 8)]
    )
    sizes = {"layers": 1, "heads": None, "context_features": 8, "time_features": 16}
    gradients = []
    for remat in (False, True):
        options = {"compute": Compute(remat=remat), "rngs": nnx.Rngs(0)}
        block = DownBlock(32, 32, downsample=False, **sizes, **options)
        graph, state = nnx.split(block)
        gradient = jax.jit(
            jax.grad(
                lambda s, graph=graph: jnp.square(
                    nnx.merge(graph, s)(x, temb, context)[0]
                ).mean()
            )
        )
        gradients.append(gradient(state))
    for stored, recomputed in zip(*map(jax.tree.leaves, gradients), strict=True):
        np.testing.assert_allclose(stored, recomputed, rtol=1e-4, atol=1e-6)


def test_remat_works_inside_a_sampler():
    """A scan closes over the network, as the validation of a training run does."""
    arguments = [to_jax(x) for x in inputs(8, 1)]
    results = []
    for remat in (False, True):
        model = converted(
            abstract(
                lambda rngs, remat=remat: UNetSpatioTemporalConditionModel(
                    UNetConfig(**vars(UNET)), remat=remat, rngs=rngs
                )
            ),
            reference.unet(8),
        )

        @jax.jit
        def sampled(model):
            def step(x, _):
                return model(arguments[0] + x.mean(), *arguments[1:]), None

            return jax.lax.scan(step, jnp.zeros(()) + model(*arguments), None, 2)[0]

        results.append(sampled(model))
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)


def test_matrices_are_multiplied_in_bfloat16():
    config = UNetConfig(**vars(UNET))
    model = abstract(
        lambda rngs: UNetSpatioTemporalConditionModel(
            config, dtype=jnp.bfloat16, rngs=rngs
        )
    )
    arguments = [to_jax(x) for x in inputs(8, 1)]
    jaxpr = jax.make_jaxpr(lambda m: m(*arguments), return_shape=True)(model)
    assert jaxpr[1].dtype == jnp.float32
    types = Counter(operands(jaxpr[0].jaxpr))
    assert types.pop(jnp.dtype(jnp.bfloat16)) > 100
    assert types == {jnp.dtype(jnp.float32): 4}  # the first and the last convolution


def operands(jaxpr) -> Iterator[jnp.dtype]:
    """Yields the operand types of all matrix products and convolutions."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield from (x.aval.dtype for x in equation.invars)
        for inner in jaxprs_in_params(equation.params):
            yield from operands(inner)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [(SVD_XT, 1524623082), (STEREOCRAFTER, 1524625962)],
    ids=["svd", "stereocrafter"],
)
def test_full_size(config, parameters):
    model = abstract(lambda rngs: UNetSpatioTemporalConditionModel(config, rngs=rngs))
    arrays = jax.tree.leaves(nnx.state(model, nnx.Param))
    assert len(arrays) == 1428
    assert sum(math.prod(x.shape) for x in arrays) == parameters
    if config is STEREOCRAFTER:
        shapes = [(1, 25, 72, 128, 9), (1,), (1, 1, 1024), (1, 3)]
        out = jax.eval_shape(
            run, model, *(jax.ShapeDtypeStruct(s, float) for s in shapes)
        )
        assert out.shape == (1, 25, 72, 128, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, noise(B, T, 8, H, W)), "8 channels where this U-Net takes 9"),
        ((0, noise(B, T, 9, 7, W)), "7x10 must be multiples of 2"),
        ((2, noise(B, 2, 32)), "2 embeddings where 1, or 3"),
    ],
)
def test_an_invalid_shape_is_an_error(change, message):
    arguments = [to_jax(x) for x in inputs(9, 1)]
    arguments[change[0]] = to_jax(change[1])
    config = UNetConfig(**{**vars(UNET), "in_channels": 9})
    model = abstract(lambda rngs: UNetSpatioTemporalConditionModel(config, rngs=rngs))
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(run, model, *arguments)

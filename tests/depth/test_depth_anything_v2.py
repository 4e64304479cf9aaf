"""The published sizes, by shape only, and errors for invalid sizes."""

import math

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from stereojax.depth.networks.depth_anything_v2 import (
    PRESETS,
    DepthAnythingV2,
    DepthAnythingV2Config,
)
from stereojax.weights.abstract import abstract

PUBLISHED = {  # all parameters of the published checkpoints
    "depth_anything_v2_small": 24_785_089,
    "depth_anything_v2_base": 97_470_785,
    "depth_anything_v2_large": 335_315_649,
}


def network(name):
    return abstract(lambda rngs: DepthAnythingV2(PRESETS[name], rngs=rngs))


@pytest.mark.parametrize("name", PRESETS)
def test_the_number_of_parameters_is_the_published_one(name):
    config = PRESETS[name]
    arrays = jax.tree.leaves(nnx.state(network(name)))
    count = sum(math.prod(array.shape) for array in arrays)
    # The checkpoints also have a mask token and the coarsest map's skip, both unused.
    unused = config.dim + 2 * (9 * config.features**2 + config.features)
    assert count + unused == PUBLISHED[name]


def test_the_largest_network_takes_a_full_size_picture():
    graph, state = nnx.split(network("depth_anything_v2_large"))
    depth = jax.eval_shape(
        lambda state, x: nnx.merge(graph, state)(x),
        state,
        jax.ShapeDtypeStruct((2, 518, 924, 3), jnp.float32),
    )
    assert (depth.shape, depth.dtype) == ((2, 518, 924), jnp.float32)


def test_sides_must_be_multiples_of_the_patch():
    config = DepthAnythingV2Config(
        dim=16, depth=1, heads=1, taps=(0, 0, 0, 0), features=4, out_channels=(4,) * 4
    )
    net = abstract(lambda rngs: DepthAnythingV2(config, rngs=rngs))
    with pytest.raises(ValueError, match="30 x 28: both must be multiples of 14"):
        jax.eval_shape(lambda net, x: net(x), net, jnp.zeros((1, 28, 30, 3)))

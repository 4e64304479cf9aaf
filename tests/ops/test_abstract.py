"""Abstract networks have the structure of the real one, and no arrays."""

import jax
import pytest
from flax import nnx

from stereojax.weights.abstract import abstract


class Net(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.layers = nnx.List(
            [nnx.Linear(3, 5, rngs=rngs), nnx.Conv(5, 2, 3, rngs=rngs)]
        )
        self.token = nnx.Param(rngs.params.normal((1, 4)))


def test_shapes_and_types_are_the_real_ones_without_arrays():
    real = nnx.state(Net(rngs=nnx.Rngs(0)), nnx.Param)
    shapes = nnx.state(abstract(lambda rngs: Net(rngs=rngs)), nnx.Param)
    assert all(isinstance(x, jax.ShapeDtypeStruct) for x in jax.tree.leaves(shapes))
    described = [
        jax.tree.map(lambda x: (x.shape, x.dtype), nnx.to_pure_dict(state))
        for state in (real, shapes)
    ]
    assert described[0] == described[1]


def test_errors_of_the_network_are_raised():
    with pytest.raises(ValueError, match="too deep"):
        abstract(lambda rngs: (_ for _ in ()).throw(ValueError("too deep")))

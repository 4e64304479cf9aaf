"""Gradient accumulation gives the gradients of the full batch."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny_training
from flax import nnx

from stereojax.shapes import Array, Float, Key
from stereojax.training.run import microbatches_per_device
from stereojax.training.sharding import make_mesh
from stereojax.training.state import make_state
from stereojax.training.step import INDEX, make_gradients
from stereojax.weights.structure import split


class Net(nnx.Module):
    """A network without convolutions, which are too slow in a loop on a CPU."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.layer = nnx.Linear(3, 2, rngs=rngs)


def loss(
    model: Net, batch: dict, keys: Key[Array, " b"]
) -> tuple[Float[Array, " b"], dict[str, Float[Array, " b"]]]:
    noise = jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys)
    error = jnp.square(model.layer(batch["x"]) - noise)
    return error.mean(1), {"first": error[:, 0]}


@pytest.fixture
def program():
    """Maps a number of microbatches to (gradient function, its arguments)."""
    structure, arrays = split(Net(rngs=nnx.Rngs(0)))
    mesh = make_mesh(1)
    state = make_state(arrays, {}, optax.sgd(1.0), mesh, seed=5)
    x = np.random.default_rng(1).standard_normal((6, 3), np.float32)
    arguments = (
        *(state.trainable, state.frozen, state.rng),
        {"x": jnp.asarray(x), INDEX: jnp.arange(6, dtype=jnp.int32) + 12},
    )

    def make(accumulate: int):
        gradients = make_gradients(structure, loss, mesh, state, accumulate=accumulate)
        # JAX caches traces by function, so return a new function each time.
        return lambda *x: gradients(*x), arguments

    return make


def loops(program) -> list[tuple[str, str]]:
    """Returns (length, unroll) of each scan over microbatches."""
    function, arguments = program
    text = str(jax.make_jaxpr(function)(*arguments))
    values = [re.findall(rf"\b{name}=(\d+)", text) for name in ("length", "unroll")]
    return list(zip(*values, strict=True))


@pytest.mark.parametrize(("backend", "unroll"), [("cpu", "3"), ("tpu", "1")])
def test_microbatch_gradients_add_up_unrolled_and_in_a_loop(
    program, backend, unroll, monkeypatch
):
    expected = jax.tree.leaves(jax.jit(program(1)[0])(*program(1)[1]))
    assert all(np.abs(x).max() > 0.1 for x in expected) and loops(program(1)) == []
    monkeypatch.setattr("jax.default_backend", lambda: backend)
    assert loops(program(3)) == [("3", unroll)]
    function, arguments = program(3)
    grads = jax.tree.leaves(jax.jit(function)(*arguments))
    for one, other in zip(grads, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_accumulate_zero_makes_one_microbatch_per_sample():
    mesh = make_mesh(1)
    settings = tiny_training.SETTINGS
    assert settings.accumulate == 0 and settings.batch == 8
    assert microbatches_per_device(settings, mesh) == 8
    two = dataclasses.replace(settings, accumulate=2)
    assert microbatches_per_device(two, mesh) == 2

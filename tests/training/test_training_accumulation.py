"""Samples in parts: the gradients are those of all of them at once."""

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
    """Without a convolution, which a CPU is too slow at in a loop."""

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
    """Of a number of parts, the compiled gradients, and what goes into them."""
    structure, arrays = split(Net(rngs=nnx.Rngs(0)))
    mesh = make_mesh(1)
    state = make_state(arrays, {}, optax.sgd(1.0), mesh, seed=5)
    x = np.random.default_rng(1).standard_normal((6, 3), np.float32)
    given = (
        *(state.trainable, state.frozen, state.rng),
        {"x": jnp.asarray(x), INDEX: jnp.arange(6, dtype=jnp.int32) + 12},
    )

    def of(accumulate: int):
        how = make_gradients(structure, loss, mesh, state, accumulate=accumulate)
        # A function of its own: traces are kept by function.
        return lambda *x: how(*x), given

    return of


def loops(program) -> list[tuple[str, str]]:
    """(length, how many rounds are written out) of each loop over the parts."""
    function, given = program
    text = str(jax.make_jaxpr(function)(*given))
    found = [re.findall(rf"\b{name}=(\d+)", text) for name in ("length", "unroll")]
    return list(zip(*found, strict=True))


@pytest.mark.parametrize(("backend", "written_out"), [("cpu", "3"), ("tpu", "1")])
def test_parts_add_up_in_a_loop_and_without_one(
    program, backend, written_out, monkeypatch
):
    wanted = jax.tree.leaves(jax.jit(program(1)[0])(*program(1)[1]))
    assert all(np.abs(x).max() > 0.1 for x in wanted) and loops(program(1)) == []
    monkeypatch.setattr("jax.default_backend", lambda: backend)
    assert loops(program(3)) == [("3", written_out)]
    function, given = program(3)
    found = jax.tree.leaves(jax.jit(function)(*given))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_none_is_one_part_a_sample():
    mesh = make_mesh(1)
    settings = tiny_training.SETTINGS
    assert settings.accumulate == 0 and settings.batch == 8
    assert microbatches_per_device(settings, mesh) == 8
    assert microbatches_per_device(dataclasses.replace(settings, accumulate=2), mesh) == 2

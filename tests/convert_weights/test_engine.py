"""The engine, on a network with a layer of every kind, against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from convert_weights.engine import Rename, Table, convert_tensors, map_tensors
from stereojax.cli import InputError
from stereojax.weights import load_state


class FlaxNetwork(nnx.Module):
    """All kernels are square, so that no shape check can detect swapped axes."""

    def __init__(self, rngs):
        same = {"padding": ((1, 1), (1, 1)), "rngs": rngs}
        self.embed = nnx.Embed(8, 8, rngs=rngs)
        self.token = nnx.Param(jnp.zeros((1, 8)))
        self.inner = nnx.List(
            [
                nnx.Linear(8, 8, rngs=rngs),
                nnx.LayerNorm(8, epsilon=1e-5, use_fast_variance=False, rngs=rngs),
                nnx.Linear(8, 24, rngs=rngs),
            ]
        )
        self.conv = nnx.Conv(8, 8, (3, 3), **same)
        self.norm = nnx.GroupNorm(
            8, num_groups=2, epsilon=1e-5, use_fast_variance=False, rngs=rngs
        )
        self.up = nnx.ConvTranspose(8, 8, (3, 3), 3, padding="VALID", rngs=rngs)
        self.conv3d = nnx.Conv(8, 8, (2, 2, 2), padding="VALID", rngs=rngs)

    def __call__(self, ids):
        x = self.embed(ids) + self.token[...]  # b h w c
        x = self.inner[1](self.inner[0](x))
        q, k, v = jnp.split(self.inner[2](x), 3, axis=-1)
        x = self.up(self.norm(self.conv(q * k - v)))
        return self.conv3d(jnp.stack([x, 2 * x], axis=1))


class TorchNetwork(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(8, 8)
        self.token = torch.nn.Parameter(torch.zeros(1, 8))
        self.first = torch.nn.Linear(8, 8)
        self.ln = torch.nn.LayerNorm(8)
        self.q, self.k, self.v = (torch.nn.Linear(8, 8) for _ in range(3))
        self.conv = torch.nn.Conv2d(8, 8, 3, padding=1)
        self.norm = torch.nn.GroupNorm(2, 8)
        self.up = torch.nn.ConvTranspose2d(8, 8, 3, 3)
        self.conv3d = torch.nn.Conv3d(8, 8, 2)
        generator = torch.Generator().manual_seed(0)
        for weight in self.parameters():
            weight.data = torch.randn(weight.shape, generator=generator) / 2

    def forward(self, ids):
        x = self.ln(self.first(self.words(ids) + self.token))
        x = (self.q(x) * self.k(x) - self.v(x)).permute(0, 3, 1, 2)
        x = self.up(self.norm(self.conv(x)))
        return self.conv3d(torch.stack([x, 2 * x], dim=2)).permute(0, 2, 3, 4, 1)


TABLE = Table(
    renames=(
        Rename("words", "embed"),
        Rename("first", "inner.0"),
        Rename("ln", "inner.1"),
        Rename(("q", "k", "v"), "inner.2"),
    ),
    ignored=(r"position_ids",),
)


class InMemory:
    """Tensors of a state dict; records the names that are read."""

    def __init__(self, state, cast=np.float32):
        self.state = {k: np.asarray(v).astype(cast) for k, v in state.items()}
        self.shapes = {name: array.shape for name, array in self.state.items()}
        self.reads = []

    def read(self, name):
        self.reads.append(name)
        return self.state[name]


@pytest.fixture
def state():
    return TorchNetwork().state_dict()


@pytest.fixture(scope="module")
def shapes():
    return nnx.eval_shape(lambda: FlaxNetwork(nnx.Rngs(0)))


def test_every_kind_of_layer_and_a_concatenation(state, shapes):
    tensors = InMemory({**state, "position_ids": np.zeros(3)})
    arrays = convert_tensors(shapes, tensors, TABLE, what="toy")
    network = load_state(shapes, arrays, what="toy")
    ids = np.random.default_rng(0).integers(0, 8, (2, 4, 5))
    with torch.no_grad():
        expected = TorchNetwork()(torch.from_numpy(ids)).numpy()
    actual = jax.jit(lambda ids: network(ids))(ids)
    assert expected.std() > 0.1
    assert np.abs(actual - expected).max() / np.abs(expected).max() < 1e-5
    assert sorted(tensors.reads) == sorted(state)  # each once, the ignored one never


def test_dtypes_are_kept(state, shapes):
    converted = convert_tensors(shapes, InMemory(state, np.float16), TABLE, what="toy")
    assert converted["inner"][2]["kernel"].dtype == np.float16
    assert converted["inner"][2]["kernel"].flags.c_contiguous


def test_a_split_is_the_inverse_of_a_concatenation(state, shapes):
    class Separate(nnx.Module):
        def __init__(self):
            self.q, self.k, self.v = (
                nnx.Linear(8, 8, rngs=nnx.Rngs(0)) for _ in range(3)
            )

    names = ("q", "k", "v")
    joined = {
        f"in_proj_{kind}": np.concatenate([state[f"{n}.{kind}"] for n in names])
        for kind in ("weight", "bias")
    }
    table = Table(
        (Rename(r"in_proj_(weight|bias)", tuple(rf"{name}.\1" for name in names)),)
    )
    separate = nnx.eval_shape(Separate)
    converted = convert_tensors(separate, InMemory(joined), table, what="separate")
    for name in names:
        assert np.array_equal(converted[name]["kernel"], state[f"{name}.weight"].T)
        assert np.array_equal(converted[name]["bias"], state[f"{name}.bias"])


def test_one_error_lists_all_problems(state, shapes):
    del state["norm.bias"], state["k.weight"]
    state["conv.weight"] = np.zeros((8, 9, 3, 3))
    state["v.bias"] = np.zeros(7)
    state["foo.bar"] = np.zeros(4)
    with pytest.raises(InputError) as error:
        convert_tensors(shapes, InMemory(state), TABLE, what="toy")
    assert str(error.value) == (
        "5 problems converting toy: "
        "shape conv.weight (8, 9, 3, 3) where (8, 8, 3, 3) was expected; "
        "shape v.bias (7,) where (8,) was expected; "
        "missing inner.2.weight (expected sources: 3, got: q.weight, v.weight) "
        "(24, 8); "
        "missing norm.bias (8,); unused foo.bar (4,)"
    )


def test_no_tensor_is_read_before_all_shapes_are_checked(state, shapes):
    tensors = InMemory({**state, "extra": np.zeros(1)})
    with pytest.raises(InputError, match="1 problem converting toy: unused extra"):
        convert_tensors(shapes, tensors, TABLE, what="toy")
    assert not tensors.reads


def test_two_sources_for_one_target_are_a_problem(state, shapes):
    state["embed.weight"] = state["words.weight"]
    with pytest.raises(InputError, match=r"missing embed\.weight"):
        convert_tensors(shapes, InMemory(state), TABLE, what="toy")


def test_a_rename_matches_whole_components():
    table = Table((Rename("conv", "x"),))
    mappings = map_tensors(["conv.weight", "conv1.weight"], table)
    targets = {mapping.source: mapping.target for mapping in mappings}
    assert targets == {"conv.weight": "x.weight", "conv1.weight": "conv1.weight"}


def test_an_ambiguous_table_is_an_error():
    table = Table((Rename("a", "x"), Rename(r"a\.b", "y")))
    with pytest.raises(ValueError, match=r"2 renames match a\.b\.weight"):
        map_tensors(["a.b.weight"], table)


def test_a_layer_without_a_rule_is_an_error():
    class Odd(nnx.Module):
        def __init__(self):
            self.odd = nnx.Einsum("ij,jk->ik", (2, 2), rngs=nnx.Rngs(0))

    with pytest.raises(TypeError, match="no rule for kernel of Einsum"):
        convert_tensors(nnx.eval_shape(Odd), InMemory({}), Table(), what="odd")

"""LPIPS against a PyTorch implementation, with weights that the converter wrote."""

import jax
import jax.numpy as jnp
import lpips_reference as reference
import numpy as np
import pytest
import torch
from flax import nnx

from convert_weights import convert
from stereojax import weights
from stereojax.metrics.lpips import LPIPS, MIN_SIDE
from stereojax.weights import load_state
from stereojax.weights.abstract import abstract

TOLERANCE = 1e-5  # relative to the largest value


@pytest.fixture(scope="module")
def torch_model():
    return reference.Reference()


@pytest.fixture(scope="module")
def state(torch_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    return weights.load(convert(reference.save(folder, torch_model), folder / "root"))[
        1
    ]


@pytest.fixture(scope="module")
def lpips(state):
    return built(state)


def built(state):
    return load_state(abstract(lambda rngs: LPIPS(rngs=rngs)), state, what="lpips_alex")


def pictures(b, h, w):
    """Returns pairs of pictures whose difference grows along the batch."""
    rng = np.random.default_rng(h)
    truth = rng.random((b, h, w, 3), np.float32)
    other = rng.random((b, h, w, 3), np.float32)
    share = np.linspace(0, 1, b, dtype=np.float32)[:, None, None, None]
    return (1 - share) * truth + share * other, truth


def torch_distances(torch_model, *pair):
    channels_first = (torch.from_numpy(p.transpose(0, 3, 1, 2)) for p in pair)
    return torch_model(*channels_first).numpy()


measured = jax.jit(lambda model, x, y: model(x, y))


@pytest.mark.parametrize("size", [(64, 64), (97, 71), (MIN_SIDE, 40)])
def test_distance_equals_pytorch(lpips, torch_model, size):
    pair = pictures(4, *size)
    expected = torch_distances(torch_model, *pair)
    assert expected.std() > 0.1 and expected[0] == 0
    actual = measured(lpips, *map(jnp.asarray, pair))
    error = np.abs(actual - expected).max() / expected.max()
    print(f"{size}: {error:.1e} of {expected.max():.2f}")
    assert error <= TOLERANCE


def names(state, prefix=()):
    for key, value in state.items():
        if isinstance(value, dict):
            yield from names(value, (*prefix, key))
        else:
            yield (*prefix, key)


def test_one_wrong_weight_in_any_layer_changes_the_distance(state, torch_model):
    pair = pictures(4, 64, 64)
    expected = torch_distances(torch_model, *pair)
    flat = nnx.traversals.flatten_mapping(state)
    assert len(flat) == 15
    for path, array in flat.items():
        wrong = array.copy()
        wrong.reshape(-1)[wrong.size // 2] += 10
        model = built(nnx.traversals.unflatten_mapping(flat | {path: wrong}))
        actual = measured(model, *map(jnp.asarray, pair))
        assert np.abs(actual - expected).max() / expected.max() > TOLERANCE, path


def test_batches_of_clips_and_bfloat16_pictures(lpips):
    x, y = (jnp.asarray(p) for p in pictures(6, 32, 48))
    flat = measured(lpips, x, y)
    clips = measured(lpips, x.reshape(2, 3, 32, 48, 3), y.reshape(2, 3, 32, 48, 3))
    np.testing.assert_allclose(clips, flat.reshape(2, 3), rtol=1e-5)
    assert measured(lpips, x[0], y[0]).shape == ()
    # Only the pictures are rounded; the computation stays in float32.
    low = [p.astype(jnp.bfloat16) for p in (x, y)]
    rounded = [p.astype(jnp.float32) for p in low]
    assert measured(lpips, *low).dtype == jnp.float32
    np.testing.assert_array_equal(measured(lpips, *low), measured(lpips, *rounded))


def test_gradients_are_finite_where_all_features_are_zero(state):
    flat = nnx.traversals.flatten_mapping(state)
    dead = {
        path: np.full_like(x, -3) if path[-1] == "bias" else x
        for path, x in flat.items()
    }
    x, y = (jnp.asarray(p) for p in pictures(2, 48, 48))
    dark = x.at[:, :24].set(0.47)  # near the mean colour, so that the biases decide
    for arrays in (flat, dead):
        model = built(nnx.traversals.unflatten_mapping(arrays))
        gradient = jax.jit(jax.grad(lambda p, m=model: m(p, y).sum()))(dark)
        assert np.isfinite(gradient).all()
    first = nnx.relu(built(nnx.traversals.unflatten_mapping(dead)).net.slice1(dark))
    assert (first.max(-1) == 0).any()  # otherwise no pixel has only zero features


def test_a_picture_below_the_least_size_is_refused(lpips):
    with pytest.raises(ValueError, match="LPIPS of 40x30: expected at least 31 px"):
        lpips(jnp.zeros((30, 40, 3)), jnp.zeros((30, 40, 3)))

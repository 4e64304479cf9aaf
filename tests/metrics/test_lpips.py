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
from stereojax.metrics.lpips import LEAST, LPIPS
from stereojax.weights import load_state
from stereojax.weights.abstract import abstract

TOLERANCE = 1e-5  # relative to the largest value


@pytest.fixture(scope="module")
def theirs():
    return reference.Reference()


@pytest.fixture(scope="module")
def state(theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    return weights.load(convert(reference.save(folder, theirs), folder / "root"))[1]


@pytest.fixture(scope="module")
def ours(state):
    return built(state)


def built(state):
    return load_state(abstract(lambda rngs: LPIPS(rngs=rngs)), state, what="lpips_alex")


def pictures(b, h, w):
    """Pairs of pictures that differ more and more along the batch."""
    rng = np.random.default_rng(h)
    truth = rng.random((b, h, w, 3), np.float32)
    other = rng.random((b, h, w, 3), np.float32)
    share = np.linspace(0, 1, b, dtype=np.float32)[:, None, None, None]
    return (1 - share) * truth + share * other, truth


def expected(theirs, *pair):
    channels_first = (torch.from_numpy(p.transpose(0, 3, 1, 2)) for p in pair)
    return theirs(*channels_first).numpy()


measured = jax.jit(lambda model, x, y: model(x, y))


@pytest.mark.parametrize("size", [(64, 64), (97, 71), (LEAST, 40)])
def test_distance_equals_pytorch(ours, theirs, size):
    pair = pictures(4, *size)
    wanted = expected(theirs, *pair)
    assert wanted.std() > 0.1 and wanted[0] == 0
    found = measured(ours, *map(jnp.asarray, pair))
    error = np.abs(found - wanted).max() / wanted.max()
    print(f"{size}: {error:.1e} of {wanted.max():.2f}")
    assert error <= TOLERANCE


def names(state, prefix=()):
    for key, value in state.items():
        if isinstance(value, dict):
            yield from names(value, (*prefix, key))
        else:
            yield (*prefix, key)


def test_one_wrong_weight_in_any_layer_changes_the_distance(state, theirs):
    pair = pictures(4, 64, 64)
    wanted = expected(theirs, *pair)
    flat = nnx.traversals.flatten_mapping(state)
    assert len(flat) == 15
    for path, array in flat.items():
        wrong = array.copy()
        wrong.reshape(-1)[wrong.size // 2] += 10
        model = built(nnx.traversals.unflatten_mapping(flat | {path: wrong}))
        found = measured(model, *map(jnp.asarray, pair))
        assert np.abs(found - wanted).max() / wanted.max() > TOLERANCE, path


def test_batches_of_clips_and_bfloat16_pictures(ours):
    x, y = (jnp.asarray(p) for p in pictures(6, 32, 48))
    flat = measured(ours, x, y)
    clips = measured(ours, x.reshape(2, 3, 32, 48, 3), y.reshape(2, 3, 32, 48, 3))
    np.testing.assert_allclose(clips, flat.reshape(2, 3), rtol=1e-5)
    assert measured(ours, x[0], y[0]).shape == ()
    # Only the pictures are rounded; the computation stays in float32.
    low = [p.astype(jnp.bfloat16) for p in (x, y)]
    rounded = [p.astype(jnp.float32) for p in low]
    assert measured(ours, *low).dtype == jnp.float32
    np.testing.assert_array_equal(measured(ours, *low), measured(ours, *rounded))


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
        slope = jax.jit(jax.grad(lambda p, m=model: m(p, y).sum()))(dark)
        assert np.isfinite(slope).all()
    first = nnx.relu(built(nnx.traversals.unflatten_mapping(dead)).net.slice1(dark))
    assert (first.max(-1) == 0).any()  # otherwise no pixel has only zero features


def test_a_picture_below_the_least_size_is_refused(ours):
    with pytest.raises(ValueError, match="LPIPS of 40x30: expected at least 31 px"):
        ours(jnp.zeros((30, 40, 3)), jnp.zeros((30, 40, 3)))

"""SqueezeNet 1.1's features and their distance, against PyTorch's functional ops."""

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stereojax.metrics import deep_features
from stereojax.metrics.deep_features import (
    FIRES,
    LAYERS,
    MEAN_BGR,
    MIN_SIDE,
    feature_distance,
    features,
    hole_shares,
    load_squeezenet,
    shapes,
)

TOLERANCE = 1e-5  # relative to the largest value


@pytest.fixture(scope="module")
def tensors():
    """Random weights that keep the features' variance from layer to layer."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in shapes().items():
        kernel = name.endswith("kernel")
        scale = np.sqrt(2 / np.prod(shape[:3])) if kernel else 0.1
        arrays[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
    arrays["conv1/kernel"] /= 64  # pictures are in 0..255
    return arrays


@pytest.fixture(scope="module")
def path(tensors, tmp_path_factory):
    """A file of the tensors in Keras' format, which repeats the layer's name."""
    return save(tmp_path_factory.mktemp("squeezenet") / "weights.h5", tensors)


def save(path, tensors):
    with h5py.File(path, "w") as file:
        for name, array in tensors.items():
            layer, kind = name.rsplit("/", 1)
            file[f"{layer}/{layer}_3/{kind}:0"] = array
    return path


@pytest.fixture(scope="module")
def weights(path):
    return load_squeezenet(path)


def pictures(count, height, width, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random((count, height, width, 3), np.float32)
    picture = truth + 0.2 * rng.standard_normal(truth.shape).astype(np.float32)
    return np.clip(picture, 0, 1), truth


def torch_features(tensors, picture):
    def conv(x, layer, **options):
        kernel = torch.from_numpy(tensors[f"{layer}/kernel"]).permute(3, 2, 0, 1)
        bias = torch.from_numpy(tensors[f"{layer}/bias"])
        return F.relu(F.conv2d(x, kernel, bias, **options))

    x = torch.from_numpy(picture).permute(0, 3, 1, 2).flip(1) * 255
    x = x - torch.tensor(MEAN_BGR).reshape(1, 3, 1, 1)
    x = conv(x, "conv1", stride=2)
    outputs = {"conv1": x}
    for i, fire in enumerate(FIRES):
        if i in (0, 2, 4):
            x = F.max_pool2d(x, 3, 2)
        x = conv(x, f"{fire}/squeeze1x1")
        one, three = (conv(x, f"{fire}/expand{n}x{n}", padding=n // 2) for n in (1, 3))
        x = outputs[fire] = torch.cat([one, three], 1)
    return [outputs[layer] for layer in LAYERS]


def torch_distance(tensors, picture, truth, hole):
    share = torch.from_numpy(hole)[:, None]
    shares = []
    for _ in range(4):
        share = F.avg_pool2d(share, 3, 2)
        shares.append(share)
    shares = [shares[i] for i in (0, 1, 2, 3, 3, 3, 3)]
    total = []
    both = (torch_features(tensors, p) for p in (picture, truth))
    for x, y, share in zip(*both, shares, strict=True):
        square = (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square().sum(1, True)
        total.append(((square * share).sum() / share.sum()).item())
    return np.mean(total)


@pytest.mark.parametrize("size", [(64, 64), (47, 71)])
def test_features_equal_pytorch(weights, tensors, size):
    picture, _ = pictures(2, *size)
    expected = torch_features(tensors, picture)
    actual = features(weights, jnp.asarray(picture))
    assert len(actual) == len(LAYERS)
    for x, y in zip(actual, expected, strict=True):
        y = y.permute(0, 2, 3, 1).numpy()
        assert y.std() > 0.1
        assert x.shape == y.shape
        assert np.abs(x - y).max() / np.abs(y).max() <= TOLERANCE


def test_distance_in_the_hole_equals_pytorch(weights, tensors):
    picture, truth = pictures(3, 64, 80)
    hole = np.random.default_rng(1).random((3, 64, 80), np.float32) ** 4
    hole[:, :20] = 0
    expected = torch_distance(tensors, picture, truth, hole)
    assert expected > 0.01
    actual = feature_distance(weights, picture, truth, hole)
    assert abs(actual - expected) / expected <= TOLERANCE
    assert feature_distance(weights, truth, truth, hole) == 0


def test_one_wrong_filter_of_any_convolution_changes_the_distance(weights, tensors):
    picture, truth = pictures(1, 40, 40)
    hole = np.ones((1, 40, 40), bool)
    right = feature_distance(weights, picture, truth, hole)
    for layer, (kernel, bias) in weights.items():
        # Its inputs are never negative, so the filter is active.
        wrong = kernel.at[..., 0].add(jnp.abs(kernel).max())
        changed = {**weights, layer: (wrong, bias)}
        actual = feature_distance(changed, picture, truth, hole)
        assert abs(actual - right) / right > TOLERANCE, layer


def test_errors_far_from_the_hole_do_not_count(weights):
    _, truth = pictures(1, 160, 320)
    hole = np.zeros((1, 160, 320), bool)
    hole[:, 60:100, 40:60] = True
    far, near = truth.copy(), truth.copy()
    far[:, :, 300:] = 0
    near[:, 60:100, 40:60] = 0
    assert feature_distance(weights, far, truth, hole) < 1e-6
    assert feature_distance(weights, near, truth, hole) > 0.01


def test_hole_shares_are_centred_on_the_features():
    hole = np.zeros((1, 95, 95), np.float32)
    hole[:, 47, 47] = 1
    for share in hole_shares(jnp.asarray(hole)):
        assert share.sum() > 0
        middle = share.shape[1] // 2
        assert share[0, middle, middle] == share.max()
        np.testing.assert_allclose(share, share[:, ::-1, ::-1], atol=1e-7)


def test_loading_names_every_problem_at_once(tensors, tmp_path):
    wrong = dict(tensors)
    del wrong["fire3/expand1x1/bias"]
    wrong["fire9/squeeze1x1/kernel"] = np.zeros((1, 1, 7, 64), np.float32)
    wrong["fire10/squeeze1x1/bias"] = np.zeros(3, np.float32)
    path = save(tmp_path / "wrong.h5", wrong)
    with pytest.raises(ValueError) as raised:
        load_squeezenet(path)
    text = str(raised.value)
    assert "3 problems" in text and "\n" not in text
    assert "missing fire3/expand1x1/bias (64,)" in text
    assert "unused fire10/squeeze1x1/bias" in text
    assert "shape fire9/squeeze1x1/kernel (1, 1, 7, 64) where (1, 1, 512, 64)" in text


def test_a_picture_below_the_least_size_is_refused(weights):
    picture = np.zeros((1, MIN_SIDE, 30, 3), np.float32)
    with pytest.raises(ValueError, match="30x31: expected at least 31 px per side"):
        feature_distance(weights, picture, picture, picture[..., 0])
    ok = np.zeros((1, deep_features.MIN_SIDE, MIN_SIDE, 3), np.float32)
    assert feature_distance(weights, ok, ok, ok[..., 0] + 1) < 1e-12

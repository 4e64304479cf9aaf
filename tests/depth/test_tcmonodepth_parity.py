"""TCMonoDepth against a reference in torch, through the converter."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tcmonodepth_reference as reference
import torch
from flax import nnx

from convert_weights import convert
from stereojax.depth.networks.load import load_depth_network
from stereojax.depth.networks.tcmonodepth import TCMonoDepthConfig, TCMonoDepthNetwork

SIZES = [(64, 96), (32, 160), (46, 70)]  # the last: odd sizes at 1/4 and below
PUBLISHED = (
    Path(__file__).parents[3] / "shared" / "data" / "depth" / "tcmonodepth_small.pt.tar"
)


@pytest.fixture(scope="module")
def model():
    return reference.random_reference()


@pytest.fixture(scope="module")
def part(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity")
    return convert(reference.save(folder / "hub", model), folder / "root")


@pytest.fixture(scope="module")
def network(part):
    return load(part)


def load(part, dtype=jnp.float32):
    return load_depth_network(part, TCMonoDepthNetwork, TCMonoDepthConfig, dtype)[0]


def picture(*size):
    """Values in [0, 255]; smooth, with some noise."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand((2, 3, 6, 8), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    noise = torch.rand((2, 3, *size), generator=generator)
    return 255 * (0.7 * smooth + 0.3 * noise)


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def ours(x):
    """NCHW to NHWC."""
    return jnp.asarray(x.movedim(1, -1).numpy())


@nnx.jit
def run(module, *args):
    return module(*args)


def error(actual, expected, *, spread=0.1):
    """Largest error relative to the largest value of the reference."""
    expected = expected.detach().numpy()
    actual = np.asarray(actual)
    if actual.ndim == 4:
        actual = actual.transpose(0, 3, 1, 2)
    assert expected.std() >= spread
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("size", SIZES)
def test_the_network_matches_the_reference(model, network, size):
    x = picture(*size)
    expected = model(x)
    assert expected.min() > 0, "clipped: the reference is dead"
    assert error(run(network, ours(x) / 255), expected) < 1e-5


def test_depth_is_clipped_at_zero(model, network):
    low = load_low(network)
    x = picture(64, 96)
    depth = np.asarray(run(low, ours(x) / 255))
    assert depth.min() == 0 < depth.max()


def load_low(network):
    """Returns the network with its last bias lowered by the mean depth."""
    depth = run(network, ours(picture(64, 96)) / 255)
    graph, state = nnx.split(network)
    flat = dict(nnx.to_flat_state(state))
    path = ("decoder", "final", "bias")
    flat[path] = flat[path].replace(flat[path][...] - depth.mean())
    return nnx.merge(graph, nnx.from_flat_state(flat.items()))


@torch.no_grad()
def test_each_block_matches_the_reference(model, network):
    one, two, three, _ = reference.CHANNELS
    their, our = model.encoder, network.encoder
    for height, width in ((12, 20), (11, 7)):
        x = noise(2, 3, height, width)
        actual = ours(x)
        for layer in our.first_conv:
            actual = layer(actual)
        assert error(actual, their.first_conv(x)) < 1e-5
        x = noise(2, one, height, width)
        assert error(run(our.features[0], ours(x)), their.features[0](x)) < 1e-5
        x = noise(2, three, height, width)
        assert error(run(our.features[3], ours(x)), their.features[3](x)) < 1e-5
        fine, coarse = noise(2, two, height, width), noise(2, three, 6, 5)
        expected = model.decoder.decoder2(fine, coarse)
        actual = run(network.decoder.decoder2, ours(fine), ours(coarse))
        assert error(actual, expected) < 1e-5
    maps = [
        noise(1, channels, 24 // scale, 40 // scale)
        for channels, scale in zip(reference.CHANNELS, (1, 2, 4, 8), strict=True)
    ]
    expected = model.decoder(maps)[:, 0]
    assert error(run(network.decoder, [ours(x) for x in maps]), expected) < 1e-5


@torch.no_grad()
def test_the_depthwise_convolution_equals_the_grouped_one(network):
    for block, stride in ((0, 2), (1, 1)):
        layer = network.encoder.features[block].branch_main[3]
        assert layer.strides == stride
        x = ours(noise(2, layer.in_features, 9, 12))
        expected = jax.lax.conv_general_dilated(
            x,
            layer.kernel[...],
            (stride, stride),
            ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )
        assert expected.std() > 0.1
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)


BLOCK = "encoder.features.0"
WRONG = {
    "encoder.first_conv.0.kernel": lambda x: x.swapaxes(0, 1),
    "encoder.first_conv.1.scale": lambda x: x[::-1],
    "encoder.first_conv.1.bias": lambda x: x[::-1],
    "encoder.first_conv.1.mean": lambda x: x[::-1],
    "encoder.first_conv.1.var": lambda x: x[::-1],
    f"{BLOCK}.branch_proj.0.kernel": lambda x: x.swapaxes(0, 1),
    f"{BLOCK}.branch_proj.2.kernel": lambda x: x.swapaxes(2, 3),
    f"{BLOCK}.branch_main.0.kernel": lambda x: x[..., ::-1],
    f"{BLOCK}.branch_main.3.kernel": lambda x: x.swapaxes(0, 1),
    f"{BLOCK}.branch_main.5.kernel": lambda x: x[..., ::-1],
    "encoder.features.3.branch_main.0.kernel": lambda x: x.swapaxes(2, 3),
    "encoder.features.6.branch_main.5.kernel": lambda x: x.swapaxes(2, 3),
    "decoder.decoder3.skip_conv.0.kernel": lambda x: x[..., ::-1],
    "decoder.decoder2.last_conv.0.conv.0.kernel": lambda x: x.swapaxes(0, 1),
    "decoder.decoder1.last_conv.0.conv.1.var": lambda x: x[::-1],
    "decoder.decoder1.last_conv.0.conv.3.kernel": lambda x: x[..., ::-1],
    "decoder.decoder1.last_conv.1.mean": lambda x: x[::-1],
    "decoder.final.kernel": lambda x: x.swapaxes(0, 1),
    "decoder.final.bias": lambda x: -x,
}


def test_one_wrong_weight_of_each_kind_is_detected(model, network):
    x = picture(46, 70)
    expected = model(x)
    graph, state = nnx.split(network)
    for name, spoil in WRONG.items():
        path = tuple(int(k) if k.isdigit() else k for k in name.split("."))
        flat = dict(nnx.to_flat_state(state))
        value = flat[path][...]
        flat[path] = flat[path].replace(spoil(value))
        assert flat[path].shape == value.shape, f"{name}: found by its shape already"
        wrong = nnx.merge(graph, nnx.from_flat_state(flat.items()))
        assert error(run(wrong, ours(x) / 255), expected) > 1e-3, name


def test_bfloat16_is_close_and_returns_float32(model, part):
    x = picture(64, 96)
    depth = run(load(part, jnp.bfloat16), ours(x) / 255)
    assert depth.dtype == jnp.float32
    assert 1e-5 < error(depth, model(x)) < 0.05
    # As many values as float32 has, not bfloat16's few: no steps in a smooth picture.
    assert len(np.unique(np.asarray(depth))) > 0.9 * depth.size


@pytest.fixture(scope="module")
def published():
    if not PUBLISHED.is_file():
        pytest.skip(f"the published weights are not at {PUBLISHED}")
    return PUBLISHED


def test_published_weights_give_the_depth_of_the_reference(published, tmp_path):
    state = torch.load(published, map_location="cpu", weights_only=True)
    model = reference.Reference(*reference.PUBLISHED)
    model.load_state_dict(state)
    part = convert(published, tmp_path)
    assert part.name == "tcmonodepth_small"
    network = load(part)
    # All parameters of the published network but those of the heads of training.
    heads = 9 * (48 + 96) + 2
    count = sum(x.size for x in jax.tree.leaves(nnx.state(network, nnx.Param)))
    assert count == 186_063 - heads
    x = picture(192, 352)
    expected = model(x)
    assert error(run(network, ours(x) / 255), expected, spread=0.02) < 1e-5


def test_the_stages_of_the_published_weights_equal_the_features(published):
    """The converter reads only `encoder.features`."""
    state = torch.load(published, map_location="cpu", weights_only=True)
    copies = [name for name in state if name.startswith("encoder.stage")]
    assert len(copies) > 300
    for name in copies:
        twin = re.sub(r"^encoder\.stage\d", "encoder.features", name)
        assert torch.equal(state[name], state[twin]), name

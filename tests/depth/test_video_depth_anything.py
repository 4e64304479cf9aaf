"""Video Depth Anything against diffusers and transformers, through the converter."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import svd_reference
import torch
import video_depth_reference as reference
from flax import nnx

from convert_weights import convert
from stereojax import weights
from stereojax.depth.networks.temporal import TemporalModule, positions
from stereojax.depth.networks.video_depth_anything import (
    PRESETS,
    VideoDepthAnything,
    VideoDepthAnythingConfig,
)
from stereojax.svd.layers import Compute
from stereojax.weights.abstract import abstract

PUBLISHED = {  # parameters without and in temporal modules; buffers not counted
    "video_depth_anything_small": (24_785_089, 4_250_000),
    "video_depth_anything_base": (97_470_785, 16_970_000),
    "video_depth_anything_large": (335_315_649, 49_070_000),
}


@pytest.fixture(scope="module")
def model():
    return reference.tiny()


@pytest.fixture(scope="module")
def part(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity")
    return convert(reference.save(model, folder / "hub"), folder / "root")


@pytest.fixture(scope="module")
def network(part):
    return load(part)


def load(part, dtype=None):
    config, state = weights.load(part)
    # transformers has no offset in the positions of patches; another test covers it.
    sizes = {**config["sizes"], "pos_embed_offset": 0.0}
    sizes = VideoDepthAnythingConfig.from_dict(sizes)
    shapes = abstract(lambda rngs: VideoDepthAnything(sizes, dtype=dtype, rngs=rngs))
    return weights.load_state(shapes, state, what="tiny")


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def ours(x):
    """NCHW to NHWC."""
    return jnp.asarray(x.movedim(1, -1).numpy())


@nnx.jit
def run(module, *args):
    return module(*args)


def error(actual, expected):
    """Largest error relative to the largest value of the reference."""
    expected = expected.detach().numpy()
    assert expected.std() >= 0.1
    assert actual.shape == expected.shape
    return np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()


@torch.no_grad()
def expected_depth(model, x):
    depth = model(x)
    assert depth.min() > 0, "the reference is clipped at zero"
    return depth


@pytest.mark.parametrize("frames", [1, 5, 32])
@torch.no_grad()
def test_the_temporal_module_is_diffusers(frames):
    features = 64
    theirs = reference.temporal(features, seed=3)
    assert theirs.proj_out.weight.std() > 0.1
    shapes = abstract(
        lambda rngs: TemporalModule(
            features, heads=8, frames=32, compute=Compute(), rngs=rngs
        )
    )
    renamed = {
        name.removeprefix("head.motion_modules.0."): tensor
        for name, tensor in reference.original(Holder(theirs)).items()
        if not name.endswith(".pe")
    }
    module = svd_reference.converted(shapes, Dictionary(renamed))
    x = noise(frames, features, 6, 7)
    expected = theirs(x, num_frames=frames)
    assert error(run(module, ours(x)), expected.movedim(1, -1)) < 1e-5
    # diffusers' norm over all frames jointly gives another result.
    theirs.norm.__class__ = torch.nn.GroupNorm
    joint = theirs(x, num_frames=frames)
    assert frames == 1 or error(run(module, ours(x)), joint.movedim(1, -1)) > 1e-3


class Holder:
    """The attributes of a model that `reference.original` reads."""

    def __init__(self, module):
        self.temporal = [module]
        self.still = torch.nn.Module()


class Dictionary:
    """A module with a given state dict."""

    def __init__(self, state):
        self.state_dict = lambda: state


def test_bands_of_rows_change_nothing(network, monkeypatch):
    from stereojax.depth.networks import temporal

    module = network.head.motion_modules[3]
    x = jnp.asarray(noise(4, 6, 5, 64).numpy())
    expected = module(x)
    monkeypatch.setattr(temporal, "CPU_BYTES", 1)
    assert temporal._rows_at_once(x) == 1
    np.testing.assert_allclose(module(x), expected, atol=1e-5 * np.abs(expected).max())


def test_positions_are_the_buffers_of_the_checkpoint(model):
    buffer = reference.original(model)[
        "head.motion_modules.1.temporal_transformer.transformer_blocks.0."
        "attention_blocks.1.pos_encoder.pe"
    ]
    # The buffers are sines of angles up to 31 in float32, whose spacing is 2e-6.
    np.testing.assert_allclose(positions(32, 96), buffer[0], atol=3e-6)


@pytest.mark.parametrize(("frames", "size"), [(1, (70, 70)), (6, (42, 98))])
def test_the_network_matches_the_reference(model, network, frames, size):
    x = noise(frames, 3, *size)
    expected = expected_depth(model, x)
    assert error(run(network, ours(x)), expected) < 1e-5
    alone = torch.cat([expected_depth(model, frame[None]) for frame in x])
    assert frames == 1 or error(run(network, ours(x)), alone) > 1e-2


def test_the_number_of_frames_at_once_does_not_matter(network):
    features = [jnp.asarray(noise(4, 2, 3, 32, seed=i).numpy()) for i in range(4)]

    @nnx.jit
    def both(head):
        return [head(features, frames_at_once=n) for n in (1, 4)]

    one, all_ = both(network.head)
    assert one.std() > 0.1
    np.testing.assert_allclose(one, all_, rtol=1e-5, atol=1e-5)


WRONG = {
    "pretrained.blocks.1.attn.qkv.kernel": lambda x: jnp.roll(x, 32, axis=-1),
    "head.projects.2.kernel": lambda x: x[..., ::-1],
    "head.scratch.layer2_rn.kernel": lambda x: jnp.flip(x, (0, 1)),
    "head.scratch.refinenet2.resConfUnit1.conv1.kernel": lambda x: x.swapaxes(2, 3),
    "head.scratch.output_conv2.0.bias": lambda x: x[::-1],
}
_TEMPORAL = "head.motion_modules.{}.temporal_transformer."
_BLOCK = _TEMPORAL + "transformer_blocks.0."
for _i in range(4):
    WRONG |= {
        _TEMPORAL.format(_i) + "norm.scale": lambda x: x[::-1],
        _TEMPORAL.format(_i) + "norm.bias": lambda x: x[::-1],
        _TEMPORAL.format(_i) + "proj_in.kernel": lambda x: x.T,
        _TEMPORAL.format(_i) + "proj_in.bias": lambda x: x[::-1],
        _TEMPORAL.format(_i) + "proj_out.kernel": lambda x: x.T,
        _TEMPORAL.format(_i) + "proj_out.bias": lambda x: x[::-1],
        _BLOCK.format(_i) + "attention_blocks.0.to_q.kernel": lambda x: x.T,
        _BLOCK.format(_i) + "attention_blocks.0.to_k.kernel": lambda x: x.T,
        _BLOCK.format(_i) + "attention_blocks.1.to_v.kernel": lambda x: x.T,
        _BLOCK.format(_i) + "attention_blocks.1.to_out.0.kernel": lambda x: x.T,
        _BLOCK.format(_i) + "attention_blocks.1.to_out.0.bias": lambda x: x[::-1],
        _BLOCK.format(_i) + "norms.0.scale": lambda x: x[::-1],
        _BLOCK.format(_i) + "norms.1.bias": lambda x: x[::-1],
        _BLOCK.format(_i) + "ff.net.0.proj.kernel": lambda x: jnp.roll(x, 1, 1),
        _BLOCK.format(_i) + "ff.net.2.kernel": lambda x: x[::-1],
        _BLOCK.format(_i) + "ff_norm.scale": lambda x: x[::-1],
    }


def test_one_wrong_weight_of_each_kind_is_detected(model, network):
    x = noise(4, 3, 28, 42)
    expected = expected_depth(model, x)
    graph, state = nnx.split(network)
    for name, spoil in WRONG.items():
        path = tuple(int(k) if k.isdigit() else k for k in name.split("."))
        flat = dict(nnx.to_flat_state(state))
        value = flat[path][...]
        flat[path] = flat[path].replace(spoil(value))
        assert flat[path].shape == value.shape, f"{name}: found by its shape already"
        wrong = nnx.merge(graph, nnx.from_flat_state(flat.items()))
        assert error(run(wrong, ours(x)), expected) > 1e-3, name
    assert error(run(network, ours(x)), expected) < 1e-5


def test_bfloat16_stays_close_and_gives_float32(model, part):
    x = noise(3, 3, 28, 42)
    depth = run(load(part, dtype=jnp.bfloat16), ours(x))
    assert depth.dtype == jnp.float32
    assert 1e-5 < error(depth, expected_depth(model, x)) < 0.05


@pytest.mark.parametrize("name", PRESETS)
def test_the_published_sizes(name):
    config = PRESETS[name]
    net = abstract(lambda rngs: VideoDepthAnything(config, rngs=rngs))
    arrays = nnx.to_flat_state(nnx.state(net))

    def count(chosen):
        return sum(math.prod(x.shape) for path, x in arrays if chosen(path))

    per_frame, temporal = PUBLISHED[name]
    unused = config.dim + 2 * (9 * config.features**2 + config.features)
    assert count(lambda path: "motion_modules" not in path) + unused == per_frame
    assert count(lambda path: "motion_modules" in path) == pytest.approx(
        temporal, rel=2e-3
    )
    graph, state = nnx.split(net)
    depth = jax.eval_shape(
        lambda state, x: nnx.merge(graph, state)(x),
        state,
        jax.ShapeDtypeStruct((32, 518, 924, 3), jnp.float32),
    )
    assert (depth.shape, depth.dtype) == ((32, 518, 924), jnp.float32)


def test_a_window_that_is_too_long_is_an_error(network):
    with pytest.raises(ValueError, match="a window of 33 frames: at most 32"):
        network.head.motion_modules[2](jnp.zeros((33, 2, 2, 64)))

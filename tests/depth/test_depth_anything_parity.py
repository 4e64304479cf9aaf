"""Depth Anything V2 against transformers, through the converter, random weights."""

import dataclasses

import depth_anything_reference as reference
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from flax import nnx

from convert_weights import convert
from stereojax import weights
from stereojax.depth.networks.depth_anything_v2 import (
    DepthAnythingV2,
    DepthAnythingV2Config,
)
from stereojax.depth.networks.dpt import upsample
from stereojax.weights.abstract import abstract

SQUARE, WIDE = (70, 70), (42, 98)  # the training size, and another


@pytest.fixture(scope="module")
def model():
    return reference.tiny()


@pytest.fixture(scope="module")
def part(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity")
    return convert(reference.save(model, folder / "hf"), folder / "root")


@pytest.fixture(scope="module")
def network(part):
    return load(part, pos_embed_offset=0.0)


def load(part, *, dtype=None, **changes):
    config, state = weights.load(part)
    sizes = DepthAnythingV2Config.from_dict(config["sizes"])
    sizes = dataclasses.replace(sizes, **changes)
    shapes = abstract(lambda rngs: DepthAnythingV2(sizes, dtype=dtype, rngs=rngs))
    return weights.load_state(shapes, state, what="tiny")


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def ours(x):
    """NCHW to NHWC."""
    return jnp.asarray(x.movedim(1, -1).numpy())


@nnx.jit
def run(module, *args):
    return module(*args)


def error(actual, expected):
    """Largest error relative to the largest value of the reference."""
    if isinstance(expected, torch.Tensor):
        expected = expected.detach().numpy()
    assert expected.std() >= 0.1
    assert actual.shape == expected.shape
    return np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()


@torch.no_grad()
def expected_depth(model, x):
    depth = model(x).predicted_depth.numpy()
    assert depth.min() > 0, "the reference is clipped at zero"
    return depth


@pytest.mark.parametrize("size", [SQUARE, WIDE])
def test_the_network_matches_transformers(model, network, size):
    x = noise(1, 3, *size)
    assert error(run(network, ours(x)), expected_depth(model, x)) < 1e-5


def test_positions_follow_the_published_code_by_default(part, model):
    """The published code resizes by a factor with an offset of 0.1, with torch."""
    default = load(part)
    table = model.backbone.embeddings.position_embeddings.detach()
    for rows, columns in ((3, 7), (6, 5), (5, 4)):
        grid = table[:, 1:].reshape(1, reference.GRID, reference.GRID, -1)
        factor = [(n + 0.1) / reference.GRID for n in (rows, columns)]
        grid = F.interpolate(
            grid.permute(0, 3, 1, 2), scale_factor=factor, mode="bicubic"
        )
        assert grid.shape[2:] == (rows, columns)
        tokens = torch.cat([table[:, :1], grid.flatten(2).mT], dim=1)
        assert error(default.pretrained.positions(rows, columns), tokens) < 1e-5
        none = load(part, pos_embed_offset=0.0).pretrained.positions(rows, columns)
        assert error(none, tokens) > 1e-2
    same = default.pretrained.positions(reference.GRID, reference.GRID)
    assert np.array_equal(same, table)


@torch.no_grad()
def test_each_block_matches_transformers(model, network):
    x = noise(2, 11, 32)
    block, ours_block = model.backbone.encoder.layer[0], network.pretrained.blocks[0]
    assert error(run(ours_block, x.numpy()), block(x)) < 1e-5
    norm = model.backbone.layernorm
    assert error(run(network.pretrained.norm, x.numpy() + 30), norm(x + 30)) < 1e-5

    x = noise(2, 3, 28, 42)
    embed = model.backbone.embeddings.patch_embeddings
    actual = run(network.pretrained.patch_embed, ours(x)).reshape(2, 6, 32)
    assert error(actual, embed(x)) < 1e-5

    x = noise(2, 32, 4, 5)
    head = network.depth_head
    for i, layer in enumerate(model.neck.reassemble_stage.layers):
        actual = head.resize_layers[i](run(head.projects[i], ours(x)))
        assert error(actual.transpose(0, 3, 1, 2), layer(x)) < 1e-5

    x, skip = noise(2, 16, 4, 5), noise(2, 16, 4, 5) * 2
    fusion = model.neck.fusion_stage.layers[1](x, skip, size=(7, 9))
    actual = head.scratch.refinenet3(ours(x), ours(skip), (7, 9))
    assert error(actual.transpose(0, 3, 1, 2), fusion) < 1e-5

    grown = F.interpolate(x, size=(13, 20), mode="bilinear", align_corners=True)
    actual = upsample(ours(x), (13, 20)).transpose(0, 3, 1, 2)
    assert error(actual, grown) < 1e-5


def _swap_first(x):
    """Rolls the thirds, so that query, key and value are exchanged."""
    third = x.shape[-1] // 3
    return jnp.roll(x, third, axis=-1)


WRONG = {
    "pretrained.cls_token": lambda x: -x,
    "pretrained.pos_embed": lambda x: x[:, ::-1],
    "pretrained.patch_embed.proj.kernel": lambda x: x.swapaxes(0, 1),
    "pretrained.blocks.1.norm1.scale": lambda x: x[::-1],
    "pretrained.blocks.1.attn.qkv.kernel": _swap_first,
    "pretrained.blocks.1.attn.qkv.bias": _swap_first,
    "pretrained.blocks.1.attn.proj.kernel": lambda x: x.T,
    "pretrained.blocks.1.ls1.gamma": lambda x: x[::-1],
    "pretrained.blocks.4.mlp.fc2.bias": lambda x: x[::-1],
    "depth_head.projects.0.kernel": lambda x: x[..., ::-1],
    "depth_head.resize_layers.0.kernel": lambda x: x[::-1, ::-1],
    "depth_head.resize_layers.1.kernel": lambda x: x.swapaxes(2, 3),
    "depth_head.resize_layers.3.kernel": lambda x: x.swapaxes(0, 1),
    "depth_head.scratch.layer3_rn.kernel": lambda x: x.swapaxes(2, 3),
    "depth_head.scratch.refinenet1.resConfUnit1.conv1.kernel": (
        lambda x: x.swapaxes(2, 3)
    ),
    "depth_head.scratch.refinenet4.out_conv.kernel": lambda x: x.swapaxes(2, 3),
    "depth_head.scratch.output_conv2.0.bias": lambda x: x[::-1],
}


def test_one_wrong_weight_of_each_kind_is_detected(model, network):
    x = noise(1, 3, *WIDE)
    expected = expected_depth(model, x)
    graph, state = nnx.split(network)
    assert error(run(network, ours(x)), expected) < 1e-5
    for name, spoil in WRONG.items():
        path = tuple(int(k) if k.isdigit() else k for k in name.split("."))
        flat = dict(nnx.to_flat_state(state))
        value = flat[path][...]
        flat[path] = flat[path].replace(spoil(value))
        assert flat[path].shape == value.shape, f"{name}: found by its shape already"
        wrong = nnx.merge(graph, nnx.from_flat_state(flat.items()))
        assert error(run(wrong, ours(x)), expected) > 1e-3, name


@torch.no_grad()
def test_bfloat16_is_close_and_returns_float32(model, part):
    x = noise(1, 3, *SQUARE)
    depth = run(load(part, dtype=jnp.bfloat16), ours(x))
    expected = expected_depth(model, x)
    assert depth.dtype == jnp.float32
    assert 1e-5 < error(depth, expected) < 0.05
    # Almost all values differ: with bfloat16's precision a smooth picture would show
    # steps.
    assert len(np.unique(np.asarray(depth))) > 0.9 * depth.size


@pytest.mark.slow
@torch.no_grad()
def test_full_size_small_matches_transformers(tmp_path):
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
    )

    backbone = Dinov2Config(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        out_indices=[3, 6, 9, 12],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(backbone_config=backbone)
    full = reference.liven(DepthAnythingForDepthEstimation(config), seed=0)
    part = convert(reference.save(full, tmp_path / "hf"), tmp_path / "root")
    assert part.name == "depth_anything_v2_small"
    network = load(part, pos_embed_offset=0.0)
    x = noise(1, 3, 280, 420)
    assert error(run(network, ours(x)), expected_depth(full, x)) < 1e-4

"""DepthCrafter by its configs: weights, sampling, and the error without weights."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from stereojax.cli import InputError
from stereojax.depth.depthcrafter import PARTS, DepthCrafter, Sampling
from stereojax.inference.choose_depth import choose_depth
from stereojax.settings import resolve
from stereojax.settings.run_options import RunOptions
from stereojax.svd.clip import TINY_CLIP
from stereojax.svd.networks import NETWORKS, build
from stereojax.svd.unet import TINY
from stereojax.svd.vae import TINY_VAE
from stereojax.weights import save

# The settings of the paper StereoCrafter.
PAPER = Sampling(steps=8, guidance=1.2, window=70, overlap=25)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A weights root with arrays of the right shapes."""
    root = tmp_path_factory.mktemp("weights")
    sizes = (TINY, TINY_VAE, TINY_CLIP)
    for part, name, size in zip(PARTS, NETWORKS, sizes, strict=True):
        sizes = dataclasses.asdict(size)
        state = nnx.to_pure_dict(nnx.state(build(name, sizes)))
        state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), state)
        about = {"part": part, "class": name, "sizes": sizes, "source": "here"}
        save(root / part, about | {"licence": f"licence of {part}"}, state)
    return root


@pytest.mark.parametrize(
    ("config", "sampling"),
    [
        ("depthcrafter", Sampling()),
        ("depthcrafter:paper", PAPER),
        ("stereocrafter_parity", PAPER),
    ],
)
def test_each_config_sets_its_sampling(root, config, sampling):
    model, infer = resolve(config, {})
    choice = choose_depth(infer.depth_model, RunOptions(weights_dir=root), model)
    assert choice.name == "depthcrafter"
    assert isinstance(choice.estimator, DepthCrafter)
    assert choice.estimator._sampling == sampling
    assert choice.estimator.licence == "licence of depthcrafter/unet"
    # Depth of another sampling has another key.
    other = dataclasses.replace(model, depth_steps=model.depth_steps + 1)
    again = choose_depth(infer.depth_model, RunOptions(weights_dir=root), other)
    assert again.identity != choice.identity


def test_without_weights_the_error_names_the_command(tmp_path):
    with pytest.raises(InputError, match=r"--source tencent/DepthCrafter .*research"):
        choose_depth("depthcrafter", RunOptions(weights_dir=tmp_path))


def test_weights_of_another_network_are_refused(root, tmp_path):
    for part, source in zip(PARTS, (PARTS[1], *PARTS[1:]), strict=True):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).symlink_to(root / source)
    choice = choose_depth("depthcrafter", RunOptions(weights_dir=tmp_path))
    with pytest.raises(InputError, match=r"Autoencoder.*expected UNetSpatio"):
        _ = choice.estimator


def test_depth_from_a_file_replaces_the_depth_model_of_the_config():
    _, infer = resolve("stereocrafter_parity", {}, depth_given=True)
    assert infer.depth_model == "file"
    # It does not replace a flag: that is an error later.
    given = {"depth_model": "prior"}
    _, infer = resolve("stereocrafter_parity", given, depth_given=True)
    assert infer.depth_model == "prior"
    assert resolve("depthcrafter:runlocal", {})[1].depth_model == "prior"
    with pytest.raises(InputError, match="expected no variant, paper or runlocal"):
        resolve("depthcrafter:fast", {})

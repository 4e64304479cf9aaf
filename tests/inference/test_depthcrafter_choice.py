"""DepthCrafter by its configs: what is loaded, how it samples, what is said without."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from stereojax.cli import InputError
from stereojax.depth.depthcrafter import PARTS, DepthCrafter, Sampling
from stereojax.inference.choose_depth import choose
from stereojax.settings import resolve
from stereojax.settings.run_options import Options
from stereojax.svd.clip import TINY_CLIP
from stereojax.svd.networks import NETWORKS, build
from stereojax.svd.unet import TINY
from stereojax.svd.vae import TINY_VAE
from stereojax.weights import save

PAPER = Sampling(steps=8, guidance=1.2, window=70, overlap=25)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Weights of the right shapes."""
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
def test_each_config_samples_as_it_says(root, config, sampling):
    model, infer = resolve(config, {})
    choice = choose(infer.depth_model, Options(weights_dir=root), model)
    assert choice.name == "depthcrafter"
    assert isinstance(choice.estimator, DepthCrafter)
    assert choice.estimator._sampling == sampling
    assert choice.estimator.licence == "licence of depthcrafter/unet"
    # Another way to sample is another depth, to be kept apart.
    other = dataclasses.replace(model, depth_steps=model.depth_steps + 1)
    again = choose(infer.depth_model, Options(weights_dir=root), other)
    assert again.identity != choice.identity


def test_without_weights_one_line_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match=r"--source tencent/DepthCrafter .*research"):
        choose("depthcrafter", Options(weights_dir=tmp_path))


def test_weights_of_another_network_are_refused(root, tmp_path):
    for part, source in zip(PARTS, (PARTS[1], *PARTS[1:]), strict=True):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).symlink_to(root / source)
    choice = choose("depthcrafter", Options(weights_dir=tmp_path))
    with pytest.raises(InputError, match=r"Autoencoder.*expected UNetSpatio"):
        _ = choice.estimator


def test_depth_from_a_file_takes_the_place_of_a_configs_model():
    _, infer = resolve("stereocrafter_parity", {}, depth_given=True)
    assert infer.depth_model == "file"
    # Of a flag it does not: that is an error later.
    given = {"depth_model": "prior"}
    _, infer = resolve("stereocrafter_parity", given, depth_given=True)
    assert infer.depth_model == "prior"
    assert resolve("depthcrafter:runlocal", {})[1].depth_model == "prior"
    with pytest.raises(InputError, match="expected no variant, paper or runlocal"):
        resolve("depthcrafter:fast", {})

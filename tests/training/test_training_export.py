"""The exported network is a part that `infer` loads."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_training

from stereojax import weights
from stereojax.cli import InputError
from stereojax.inference.choose_fill import choose_fill
from stereojax.settings.load import resolve
from stereojax.settings.run_options import RunOptions
from stereojax.svd.clip import TINY_CLIP
from stereojax.svd.networks import build, random_arrays
from stereojax.svd.vae import TINY_VAE
from stereojax.training import initial_model, inpaint_task
from stereojax.training.export import export_network
from stereojax.training.optimizer import make_optimizer
from stereojax.training.sharding import make_mesh
from stereojax.training.state import make_state, split_trainable
from stereojax.weights.names import unflatten
from stereojax.weights.structure import split

# A VAE with four latent channels, as inference requires.
SETTINGS = dataclasses.replace(tiny_training.SETTINGS, vae="random")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A weights root with random frozen networks and an 8-channel SVD U-Net."""
    root = tmp_path_factory.mktemp("weights")
    for part, cls, sizes in (
        ("svd/vae", initial_model.VAE, dataclasses.asdict(TINY_VAE)),
        (
            "svd/image_encoder",
            initial_model.IMAGE_ENCODER,
            dataclasses.asdict(TINY_CLIP),
        ),
    ):
        save(root, part, cls, sizes, random_arrays(build(cls, sizes), 7))
    initial = initial_model.load_initial_model(SETTINGS, root=root)
    sizes = initial.sizes | {"in_channels": 8}
    arrays = random_arrays(build(initial_model.UNET, sizes), 8)
    save(root, "svd/unet", initial_model.UNET, sizes, arrays)
    return root


def save(root, part, cls, sizes, arrays):
    config = {"part": part, "class": cls, "sizes": sizes, "source": "random"}
    weights.save(root / part, config | {"licence": "none at all"}, unflatten(arrays))


@pytest.fixture(scope="module")
def initial(root):
    settings = dataclasses.replace(
        SETTINGS, unet="svd/unet", vae="svd/vae", image_encoder="svd/image_encoder"
    )
    return initial_model.load_initial_model(settings, root=root)


def test_the_mask_is_a_ninth_channel_with_zero_weights(initial, root):
    assert initial.sizes["in_channels"] == 9
    _, converted = weights.load(root / "svd" / "unet")
    kernel = initial.arrays["unet.conv_in.kernel"]
    np.testing.assert_array_equal(kernel[..., :8, :], converted["conv_in"]["kernel"])
    assert kernel.shape[2] == 9 and not kernel[..., 8, :].any()
    assert kernel[..., :8, :].std() > 0.01


def test_infer_loads_the_exported_network(initial, root, tmp_path):
    trainable, frozen = split_trainable(initial.arrays, inpaint_task.TRAINABLE)
    trainable = {n: x + np.float32(0.01) for n, x in trainable.items()}
    low = {n: x.astype(jnp.bfloat16) for n, x in frozen.items()}
    mesh = make_mesh(1, devices=jax.devices()[:1])
    state = make_state(trainable, low, make_optimizer(SETTINGS), mesh, seed=0)
    part, _ = export_network(
        state, initial, inpaint_task.INPAINT, mesh, tmp_path, source="a test"
    )
    assert weights.read_config(part)["licence"] == "none at all"
    folders = set()
    for folder in (part, tmp_path):  # the part, or the run's folder
        model, look = resolve("stereocrafter", {"unet": str(folder)})
        choice = choose_fill(model, look, RunOptions(weights_dir=root))
        folders.add(choice.networks.folders)
    assert len(folders) == 1
    with pytest.raises(InputError, match=r"--unet=.*weights: no config.json in it"):
        model, look = resolve("stereocrafter", {"unet": str(tmp_path / "weights")})
        choose_fill(model, look, RunOptions(weights_dir=root))
    unet = choice.networks.load().unet
    _, arrays = split(unet)
    expected = {n: trainable.get(n, initial.arrays[n]) for n in initial.arrays}
    assert len(arrays) > 100
    for name, x in arrays.items():
        np.testing.assert_array_equal(x, expected[f"unet.{name}"], err_msg=name)

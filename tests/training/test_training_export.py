"""What a run leaves is a part as any other: `infer` takes it for the network."""

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
from stereojax.settings.run_options import Options
from stereojax.svd.clip import TINY_CLIP
from stereojax.svd.networks import build, random_arrays
from stereojax.svd.vae import TINY_VAE
from stereojax.training import initial_model, inpaint_task
from stereojax.training.export import export
from stereojax.training.optimizer import make_optimizer
from stereojax.training.sharding import make_mesh
from stereojax.training.state import make_state, split_trainable
from stereojax.weights.names import unflatten
from stereojax.weights.structure import split

# Four latents a pixel, as a film's conversion has them.
SETTINGS = dataclasses.replace(tiny_training.SETTINGS, vae="random")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Weights of the two networks that do not train, and an SVD of 8 channels."""
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
    start = initial_model.load_initial_model(SETTINGS, root=root)
    sizes = start.sizes | {"in_channels": 8}
    arrays = random_arrays(build(initial_model.UNET, sizes), 8)
    save(root, "svd/unet", initial_model.UNET, sizes, arrays)
    return root


def save(root, part, cls, sizes, arrays):
    config = {"part": part, "class": cls, "sizes": sizes, "source": "random"}
    weights.save(root / part, config | {"licence": "none at all"}, unflatten(arrays))


@pytest.fixture(scope="module")
def start(root):
    named = dataclasses.replace(
        SETTINGS, unet="svd/unet", vae="svd/vae", image_encoder="svd/image_encoder"
    )
    return initial_model.load_initial_model(named, root=root)


def test_the_mask_is_a_ninth_channel_that_is_not_seen_yet(start, root):
    assert start.sizes["in_channels"] == 9
    _, given = weights.load(root / "svd" / "unet")
    kernel = start.arrays["unet.conv_in.kernel"]
    np.testing.assert_array_equal(kernel[..., :8, :], given["conv_in"]["kernel"])
    assert kernel.shape[2] == 9 and not kernel[..., 8, :].any()
    assert kernel[..., :8, :].std() > 0.01


def test_infer_takes_what_training_left(start, root, tmp_path):
    trainable, frozen = split_trainable(start.arrays, inpaint_task.TRAINABLE)
    trainable = {n: x + np.float32(0.01) for n, x in trainable.items()}
    low = {n: x.astype(jnp.bfloat16) for n, x in frozen.items()}
    mesh = make_mesh(1, devices=jax.devices()[:1])
    state = make_state(trainable, low, make_optimizer(SETTINGS), mesh, seed=0)
    part, _ = export(
        state,
        start.arrays,
        mesh,
        tmp_path,
        network=initial_model.UNET,
        prefix="unet",
        sizes=start.sizes,
        source="a test",
        licence=start.licence,
    )
    assert weights.read_config(part)["licence"] == "none at all"
    found = set()
    for given in (part, tmp_path):  # itself, or the run's folder
        model, look = resolve("stereocrafter", {"unet": str(given)})
        choice = choose_fill(model, look, Options(weights_dir=root))
        found.add(choice.networks.folders)
    assert len(found) == 1
    with pytest.raises(InputError, match=r"--unet=.*weights: no config.json in it"):
        model, look = resolve("stereocrafter", {"unet": str(tmp_path / "weights")})
        choose_fill(model, look, Options(weights_dir=root))
    unet = choice.networks.load().unet
    _, arrays = split(unet)
    wanted = {n: trainable.get(n, start.arrays[n]) for n in start.arrays}
    assert len(arrays) > 100
    for name, x in arrays.items():
        np.testing.assert_array_equal(x, wanted[f"unet.{name}"], err_msg=name)

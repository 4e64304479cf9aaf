"""The published chain from one command: DepthCrafter, splat, StereoCrafter."""

import dataclasses

import numpy as np
import pytest
from clips import picture, write_film
from films import pictures
from flax import nnx

import stereojax
from stereojax.svd.clip import TINY_CLIP
from stereojax.svd.networks import build
from stereojax.svd.unet import TINY
from stereojax.svd.vae import TINY_VAE
from stereojax.weights import save

UNET = "UNetSpatioTemporalConditionModel"
PARTS = {
    "depthcrafter/unet": (UNET, TINY),
    "stereocrafter/unet": (UNET, dataclasses.replace(TINY, in_channels=9)),
    "svd/vae": ("AutoencoderKLTemporalDecoder", TINY_VAE),
    "svd/image_encoder": ("CLIPVisionModelWithProjection", TINY_CLIP),
}


@pytest.fixture
def weights(tmp_path):
    """A weights root with small random networks for the published ones."""
    rng = np.random.default_rng(0)

    def random_array(path, x):
        if path[-1] in ("scale", "bias"):
            return np.full(x.shape, path[-1] == "scale", np.float32)
        spread = np.sqrt(np.prod(x.shape[:-1]))
        return (rng.standard_normal(x.shape) / spread).astype(np.float32)

    for part, (name, config) in PARTS.items():
        sizes = dataclasses.asdict(config)
        state = nnx.map_state(random_array, nnx.state(build(name, sizes)))
        about = {"part": part, "class": name, "sizes": sizes}
        about |= {"source": "here", "licence": "none"}
        save(tmp_path / "weights" / part, about, nnx.to_pure_dict(state))
    return tmp_path / "weights"


@pytest.mark.slow
def test_one_command_runs_the_published_chain(weights, tmp_path):
    images = [picture(i, 128, 128) for i in range(3)]
    source = write_film(tmp_path / "film.mp4", images)
    report = stereojax.convert(
        source,
        tmp_path / "out.mkv",
        config="stereocrafter_parity",
        weights_dir=weights,
        layout="right",
        tile_num=1,  # the picture is too small for two
    )
    assert report["depth"]["model"] == "depthcrafter"
    assert report["model"]["recipe"] == "published"
    assert report["model"]["depth_steps"] == 8
    right = pictures(tmp_path / "out.mkv")
    assert right.shape == (3, 128, 128, 3)
    assert right.std() > 5

"""The estimator TCMonoDepth: sizes, preprocessing, loading, per-frame scale."""

import cv2
import jax.numpy as jnp
import numpy as np
import pytest
import tcmonodepth_reference as reference
import torch
from clips import write_film
from films import pictures

import stereojax
from convert_weights import convert
from stereojax.cli import InputError
from stereojax.depth import tcmonodepth
from stereojax.depth.depth_anything import DepthAnything
from stereojax.depth.files.depth_file import DepthFile
from stereojax.depth.networks.tcmonodepth import PRESETS
from stereojax.depth.preprocess import network_size
from stereojax.depth.tcmonodepth import TCMonoDepth
from stereojax.inference.choose_depth import choose_depth
from stereojax.settings.infer import DEPTH_MODELS
from stereojax.settings.run_options import RunOptions

SMALL = "tcmonodepth_small"


@pytest.fixture(scope="module")
def model():
    return reference.random_reference()


@pytest.fixture(scope="module")
def root(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    hub = reference.save(folder / "hub", model)
    convert(hub, folder / "root", model=SMALL)
    return folder / "root"


def frames(count, size=(90, 130)):
    """Smooth pictures with some noise, uint8."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 5, 7, 3)).astype(np.float32)
    smooth = [cv2.resize(x, size[::-1], interpolation=cv2.INTER_LINEAR) for x in coarse]
    noise = rng.uniform(-30, 30, (count, *size, 3))
    return list(np.clip(smooth + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((1080, 1920), (256, 448)),
        ((720, 1280), (256, 448)),
        ((480, 854), (256, 448)),
        ((1920, 1080), (448, 256)),
        ((400, 400), (256, 256)),
        ((800, 1920), (256, 608)),
    ],
)
def test_the_size_follows_the_published_resize(picture, expected):
    assert network_size(*picture, shortest=256, multiple=32) == expected


def test_depth_matches_the_published_preprocessing(model, root):
    """OpenCV's cubic filter, clipped; short side 256; no mean and no deviation."""
    estimator = TCMonoDepth.load(root / SMALL, batch=2)
    video = frames(3, (300, 410))
    depth = list(estimator.estimate(iter(video)))
    assert len(depth) == 3
    for frame, actual in zip(video, depth, strict=True):
        # On float32: OpenCV would round 8-bit pictures to 8 bits again.
        small = cv2.resize(
            frame.astype(np.float32), (352, 256), interpolation=cv2.INTER_CUBIC
        )
        x = torch.from_numpy(small.clip(0, 255)).permute(2, 0, 1)[None]
        expected = model(x)[0].numpy()
        assert expected.std() > 0.1
        assert actual.dtype == np.float32 and actual.shape == (256, 352)
        error = np.abs(actual - expected).max() / np.abs(expected).max()
        assert error < 1e-4


def test_overshoot_of_the_cubic_filter_is_clipped():
    edge = np.zeros((1, 40, 40, 3), np.uint8)
    edge[:, :, 20:] = 255
    prepared = np.asarray(tcmonodepth.preprocess(jnp.asarray(edge), (64, 64)))
    assert prepared.min() == 0 and prepared.max() == 1
    published = cv2.resize(edge[0], (64, 64), interpolation=cv2.INTER_CUBIC) / 255
    np.testing.assert_allclose(prepared[0], published, atol=0.51 / 255)


def test_8_and_16_bits_give_the_same_depth(root):
    estimator = TCMonoDepth.load(root / SMALL)
    eight = frames(1)
    sixteen = [frame.astype(np.uint16) * 257 for frame in eight]
    a, b = (next(estimator.estimate(iter(f))) for f in (eight, sixteen))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max())


def test_the_model_is_per_frame_with_a_per_frame_scale():
    for name in PRESETS:
        assert name in DEPTH_MODELS
    assert TCMonoDepth.per_frame and TCMonoDepth.per_frame_scale
    assert DepthAnything.per_frame_scale


def test_weights_of_another_network_are_refused(root):
    with pytest.raises(InputError, match="weights of TCMonoDepthNetwork, expected Dep"):
        DepthAnything.load(root / SMALL)


def test_a_film_is_converted_with_tcmonodepth(root, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert isinstance(
        choose_depth(SMALL, RunOptions(weights_dir=root)).estimator, TCMonoDepth
    )
    source = write_film(tmp_path / "film.mp4", 3)
    settings = {"weights_dir": root, "depth_model": SMALL}
    report = stereojax.convert(source, tmp_path / "a.mp4", **settings)
    assert report["depth"]["model"] == SMALL
    # Depth that is written and read back is steadied in the same way.
    depth = tmp_path / "depth.mkv"
    stereojax.convert(source, depth, depth_only=True, **settings)
    assert DepthFile.open(depth).per_frame_scale
    stereojax.convert(source, tmp_path / "b.mp4", depth_path=depth)
    assert (pictures(tmp_path / "a.mp4") == pictures(tmp_path / "b.mp4")).all()

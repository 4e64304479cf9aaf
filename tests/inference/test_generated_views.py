"""Windows of a film on disk: the right frames, no longer than they are needed."""

import dataclasses

import numpy as np
import pytest
from clips import write_film

from stereojax.inference.inpainted_windows import GeneratedViews
from stereojax.inference.splat_grid import GridWarper
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import random_networks
from stereojax.pipeline import Look
from stereojax.settings import InferSettings
from stereojax.stage_types import Shot
from stereojax.svd.vae import VAEConfig
from stereojax.video.reading.index import index_video

H, W = 32, 48
SMALL = VAEConfig(block_out_channels=(32, 32), layers_per_block=1)
LENGTHS = 1, 9, 14  # of the shots: one frame, one window and a bit, several windows


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Grids without a hole, the warped views in them, and the film's index."""
    rng = np.random.default_rng(0)
    warped = rng.integers(0, 256, (sum(LENGTHS), H, W, 3)).astype(np.uint8)
    grids = np.zeros((len(warped), 2 * H, 2 * W, 3), np.uint8)
    grids[:, H:, W:] = warped
    path = tmp_path_factory.mktemp("grid") / "grid.mkv"
    write_film(path, list(grids), codec="ffv1", pixel_format="bgr0")
    stops = np.cumsum(LENGTHS).tolist()
    shots = tuple(
        Shot(i, stop - n, stop)
        for i, (n, stop) in enumerate(zip(LENGTHS, stops, strict=True))
    )
    return warped, dataclasses.replace(index_video(path), shots=shots)


def views(index, folder, window, overlap, **more) -> GeneratedViews:
    settings = InferSettings(steps=2, window=window, overlap=overlap)
    diffusion = Diffusion(random_networks(vae=SMALL), settings)
    warper = GridWarper(index, Look.of(settings, W))
    return GeneratedViews(warper, diffusion, 0, folder, **more)


@pytest.mark.parametrize(("window", "overlap"), [(5, 0), (6, 3), (1, 0), (40, 4)])
def test_every_frame_is_its_own(film, tmp_path, window, overlap):
    warped, index = film
    generated = views(index, tmp_path, window, overlap)
    for shot in index.shots:
        for start in range(shot.start, shot.stop, 4):
            stop = min(start + 4, shot.stop)
            found = generated.read(start, stop, shot.index)
            np.testing.assert_array_equal(found, warped[start:stop])
            generated.release(stop)
    assert list(tmp_path.iterdir()) == []


def test_a_window_stays_until_it_is_used_up_and_the_next_is_there(film, tmp_path):
    _, index = film
    generated = views(index, tmp_path, 6, 2)  # of shot 2: from frames 0, 4 and 8

    def names() -> list[str]:
        return sorted(p.name for p in tmp_path.iterdir())

    generated.read(10, 13, 2)
    assert names() == ["000002-000000.npy"]
    generated.release(13)
    assert names() == ["000002-000000.npy"]
    generated.read(13, 16, 2)  # frames 3 to 5
    assert names() == ["000002-000000.npy", "000002-000001.npy"]
    generated.release(13)
    assert names() == ["000002-000000.npy", "000002-000001.npy"]
    generated.release(16)
    assert names() == ["000002-000001.npy"]
    assert generated.there() == 4
    generated.read(16, 24, 2)
    generated.release(24)
    assert names() == []


def test_what_is_kept_is_not_removed_and_not_made_again(film, tmp_path, monkeypatch):
    warped, index = film
    generated = views(index, tmp_path, 6, 2, keep=True)
    generated.read(1, 10, 1)
    generated.release(24)
    monkeypatch.setattr(Diffusion, "generate", None)
    found = views(index, tmp_path, 6, 2).read(1, 10, 1)
    np.testing.assert_array_equal(found, warped[1:10])

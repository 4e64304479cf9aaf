"""Inpainted windows on disk: the right frames, removed once they are not needed."""

import dataclasses

import numpy as np
import pytest
from clips import write_film

from stereojax.inference.inpainted_windows import InpaintedWindows
from stereojax.inference.splat_grid import GridSource
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import random_networks
from stereojax.pipeline import RenderLook
from stereojax.settings import InferSettings
from stereojax.stage_types import FrameRange, Shot
from stereojax.svd.vae import VAEConfig
from stereojax.video.reading.index import index_video

H, W = 32, 48
SMALL = VAEConfig(block_out_channels=(32, 32), layers_per_block=1)
LENGTHS = 1, 9, 14  # frames of the shots: one window of one, two, several windows


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Grids without holes: their warped views, and the index of the film."""
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


def inpainted(index, folder, window, overlap, **options) -> InpaintedWindows:
    settings = InferSettings(steps=2, window=window, overlap=overlap)
    diffusion = Diffusion(random_networks(vae=SMALL), settings)
    look = RenderLook.from_settings(settings, W)
    return InpaintedWindows(GridSource(index), look, diffusion, 0, folder, **options)


@pytest.mark.parametrize(("window", "overlap"), [(5, 0), (6, 3), (1, 0), (40, 4)])
def test_every_frame_is_read_and_windows_are_removed(film, tmp_path, window, overlap):
    warped, index = film
    windows = inpainted(index, tmp_path, window, overlap)
    for shot in index.shots:
        for start in range(shot.start, shot.stop, 4):
            stop = min(start + 4, shot.stop)
            views = windows.read(FrameRange(shot.index, start, stop))
            np.testing.assert_array_equal(views, warped[start:stop])
            windows.release(stop)
    assert list(tmp_path.iterdir()) == []


def test_a_window_stays_until_it_is_encoded_and_the_next_is_on_disk(film, tmp_path):
    _, index = film
    windows = inpainted(index, tmp_path, 6, 2)  # of shot 2: from frames 0, 4 and 8

    def names() -> list[str]:
        return sorted(p.name for p in tmp_path.iterdir())

    windows.read(FrameRange(2, 10, 13))
    assert names() == ["000002-000000.npy"]
    windows.release(13)
    assert names() == ["000002-000000.npy"]
    windows.read(FrameRange(2, 13, 16))  # frames 3 to 5
    assert names() == ["000002-000000.npy", "000002-000001.npy"]
    windows.release(13)
    assert names() == ["000002-000000.npy", "000002-000001.npy"]
    windows.release(16)
    assert names() == ["000002-000001.npy"]
    assert windows.frames_on_disk() == 4
    windows.read(FrameRange(2, 16, 24))
    windows.release(24)
    assert names() == []


def test_kept_windows_are_not_removed_or_generated_again(film, tmp_path, monkeypatch):
    warped, index = film
    windows = inpainted(index, tmp_path, 6, 2, keep=True)
    windows.read(FrameRange(1, 1, 10))
    windows.release(24)
    monkeypatch.setattr(Diffusion, "generate", None)
    views = inpainted(index, tmp_path, 6, 2).read(FrameRange(1, 1, 10))
    np.testing.assert_array_equal(views, warped[1:10])

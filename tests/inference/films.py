"""Writes a small film with sound, and reads any film back."""

from pathlib import Path

import numpy as np

from stereojax.synthetic import make_film, write_film
from stereojax.video.reading.index import index_video
from stereojax.video.reading.reader import read_frames

WIDTH, HEIGHT, FRAMES = 96, 54, 26


def small_film(folder: Path, seed: int = 3, frames: int = FRAMES):
    """Writes a film of two shots with sound; returns it and the paths of its files."""
    film = make_film(seed, frames=frames, height=HEIGHT, width=WIDTH, shots=2)
    return film, write_film(film, folder / "film")


def pictures(path: Path) -> np.ndarray:
    """Returns all frames of a video, (t, h, w, 3)."""
    index = index_video(path)
    return np.stack([f.image for f in read_frames(index, 0, len(index))])


def times(path: Path) -> np.ndarray:
    """Returns the time of each frame in seconds."""
    index = index_video(path)
    return index.pts * float(index.info.time_base)


def psnr(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the PSNR in dB of each frame of two (t, h, w, 3) uint8 videos."""
    error = (a.astype(np.float64) - b.astype(np.float64)) ** 2
    mse = error.reshape(len(a), -1).mean(axis=1)
    return -10 * np.log10(np.maximum(mse / 255**2, 1e-10))

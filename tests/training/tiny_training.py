"""Training settings whose update compiles in seconds; subprocesses import them too."""

from pathlib import Path

import numpy as np

from stereojax.settings.train import TrainSettings
from stereojax.splat.workloads import scene
from stereojax.training.initial_model import load_initial_model
from stereojax.training.step import INDEX
from stereojax.training.task import InitialModel

SETTINGS = TrainSettings(
    unet="random",
    widths="64",  # one level; the middle block has attention
    vae="patches",
    image_encoder="random",
    frames=3,
    height=16,
    width=32,
    known_frames=2,
    batch=8,
    remat="none",
    frozen_dtype="float32",
    clip_norm=0.0,
    optimizer="sgd",
    learning_rate=1e-2,
    workers=0,
)


def initial_model(settings: TrainSettings = SETTINGS) -> InitialModel:
    return load_initial_model(settings, root=Path("nowhere"))


def batch(update: int = 0, settings: TrainSettings = SETTINGS) -> dict[str, np.ndarray]:
    """Returns the samples of an update: frames of discs, which cause holes."""
    shape = (settings.batch, settings.frames, settings.height, settings.width)
    left, disparity = scene(shape, -2, 6, seed=2 * update)
    right, _ = scene(shape, -2, 6, seed=2 * update + 1)
    return {
        "left": np.rint(255 * left).astype(np.uint8),
        "right": np.rint(255 * right).astype(np.uint8),
        "disparity": disparity,
        INDEX: np.arange(settings.batch, dtype=np.int32) + update * settings.batch,
    }

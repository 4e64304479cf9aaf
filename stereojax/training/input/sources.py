"""Opens the clips of a run: for training, and for validation."""

import hashlib

from etils import epath

from stereojax.cli import InputError
from stereojax.records import open_records
from stereojax.records.source import DATASET_INFO, find_dataset
from stereojax.settings.train import TrainSettings
from stereojax.training.input.clips import Clips, RecordClips, Scenes

HELD_OUT_SEED = 10**9  # first seed of validation scenes; training seeds are lower


def open_clips(data: str | None, settings: TrainSettings) -> tuple[Clips, Clips]:
    """Returns (training clips, validation clips).

    Args:
      data: a dataset's folder; None for synthetic scenes.

    Raises:
      InputError: the dataset does not exist, or a split is empty.
    """
    if data is None:
        size = (
            settings.span,
            settings.height,
            settings.width,
            settings.synthetic_disparity,
        )
        return (
            Scenes(settings.synthetic_scenes, *size),
            Scenes(settings.validation_scenes, *size, first_seed=HELD_OUT_SEED),
        )
    train = RecordClips(open_records(data, "train"))
    if not len(train):
        raise InputError(f"--data={data}: its split train is empty")
    if not settings.validate_every:
        return train, train
    held_out = RecordClips(open_records(data, "validation"))
    if not len(held_out):
        raise InputError(
            f"--data={data}: its split validation is empty; make it with more films, "
            "or train with --config.train.validate_every=0"
        )
    return train, held_out


def data_identity(data: str | None) -> dict[str, str]:
    """Returns an identity of the data that does not depend on its folder.

    It is a hash of dataset_info.json, which has the bytes and records of each shard.
    """
    if data is None:
        return {"content": "synthetic scenes"}
    info = find_dataset(epath.Path(data)) / DATASET_INFO
    return {"content": hashlib.sha256(info.read_bytes()).hexdigest()[:16]}

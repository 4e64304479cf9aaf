"""Which clips a run sees, and which it is judged on."""

import hashlib

from etils import epath

from stereojax.cli import InputError
from stereojax.records import open_records
from stereojax.records.source import DATASET_INFO, find_dataset
from stereojax.settings.train import TrainSettings
from stereojax.training.input.clips import Clips, RecordClips, Scenes

HELD_OUT = 10**9  # seeds from here on are of scenes that no run trains on


def find_clips(data: str | None, settings: TrainSettings) -> tuple[Clips, Clips]:
    """(to train on, held out): of a dataset, or without one synthetic scenes.

    Raises:
      InputError: there is no dataset, or nothing to train on in it.
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
            Scenes(settings.validation_scenes, *size, first=HELD_OUT),
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


def data_mark(data: str | None) -> dict[str, str]:
    """What tells a dataset from others, and from itself with other records in it.

    Wherever it lies: its description has the number of bytes and records of each shard.
    """
    if data is None:
        return {"content": "synthetic scenes"}
    info = find_dataset(epath.Path(data)) / DATASET_INFO
    return {"content": hashlib.sha256(info.read_bytes()).hexdigest()[:16]}

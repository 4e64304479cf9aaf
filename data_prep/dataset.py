"""Turns a folder of shards into a TFDS dataset."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence

import numpy as np
from etils import epath

from data_prep.shards import NAME, ShardPlan
from stereojax.records.record import Provenance
from stereojax.records.source import DATASET_INFO
from stereojax.settings.data import DataSettings
from stereojax.storage.atomic import read_json, write_json

VERSION = "1.0.0"
PLAN = "plan.json"  # in the shards' folder: a digest of the shard plans, and the films

_DESCRIPTION = """\
Sequences of stereo video for training a model that fills the regions that the left
camera did not see. stereojax.splat.forward_splat(left, disparity,
sharpness=provenance/sharpness) gives the right view with holes; its occlusion is the
mask of the holes. The stored disparity is a code from 0 to 65535. The disparity in
pixels is disparity_offset + disparity_scale * code; pixels with code 65535 have no
disparity and are not splatted."""


def tfds_features(settings: DataSettings) -> dict:
    """Returns the TFDS features of a record, in which pictures are decoded."""
    import tensorflow_datasets as tfds

    size = settings.height, settings.width
    types = {str: tfds.features.Text, int: np.int64, float: np.float32}

    def pictures(channels: int, dtype: type, encoding: str) -> tfds.features.Sequence:
        return tfds.features.Sequence(
            tfds.features.Image(
                shape=(*size, channels), dtype=dtype, encoding_format=encoding
            )
        )

    provenance = {}
    for field in dataclasses.fields(Provenance):
        kind = types[field.type]
        provenance[field.name] = kind() if field.type is str else kind
    features = {
        "left": pictures(3, np.uint8, "jpeg"),
        "right": pictures(3, np.uint8, "jpeg"),
        "disparity": pictures(1, np.uint16, "png"),
        "disparity_scale": np.float32,
        "disparity_offset": np.float32,
        "height": np.int64,
        "width": np.int64,
        "provenance": provenance,
    }
    if settings.store_warped:
        features["warped"] = pictures(3, np.uint8, "png")
        features["occlusion"] = pictures(1, np.uint16, "png")
    return features


def write_dataset_info(
    folder: os.PathLike,
    plans: Sequence[ShardPlan],
    settings: DataSettings,
    films: dict[str, str],
) -> None:
    """Writes `plan.json`, then `dataset_info.json`, which completes the dataset.

    Args:
      folder: the folder of the shards.
      plans: the plans of all shards.
      settings: the settings of data preparation.
      films: the path of each film; the key is the hash of the film's content.
    """
    import tensorflow_datasets as tfds

    folder = epath.Path(folder)
    write_json(
        folder / PLAN, {"digest": dataset_digest(plans, settings), "films": films}
    )
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder,
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        dataset_name=NAME,
        filetype_suffix=settings.file_format,
    )
    infos = []
    for split in dict.fromkeys(plan.split for plan in plans):
        shards = [plan for plan in plans if plan.split == split]
        infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[len(plan.items) for plan in shards],
                num_bytes=sum(plan.bytes for plan in shards),
                filename_template=template.replace(split=split),
            )
        )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=tfds_features(settings),
        split_infos=infos,
        version=VERSION,
        check_data=False,
        description=_DESCRIPTION,
        metadata=tfds.core.MetadataDict(settings=dataclasses.asdict(settings)),
    )


def dataset_digest(plans: Sequence[ShardPlan], settings: DataSettings) -> str:
    """Returns a hash of all records, shards and settings."""
    content = [
        VERSION,
        [dataclasses.asdict(plan) for plan in plans],
        dataclasses.asdict(settings),
    ]
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_complete(
    folder: os.PathLike, plans: Sequence[ShardPlan], settings: DataSettings
) -> bool:
    """Returns whether `folder` holds the complete dataset of these plans."""
    folder = epath.Path(folder)
    try:
        if read_json(folder / PLAN)["digest"] != dataset_digest(plans, settings):
            return False
        names = {path.name for path in folder.iterdir()}
    except (OSError, KeyError, TypeError):
        return False
    return names.issuperset({DATASET_INFO, *(plan.name for plan in plans)})


def dataset_films(folder: os.PathLike) -> dict[str, str] | None:
    """Returns the `films` that `write_dataset_info` wrote to `folder`.

    None if `plan.json` is unreadable; {} if the folder holds no dataset.
    """
    folder = epath.Path(folder)
    if not (folder / DATASET_INFO).exists():
        return {}
    try:
        return dict(read_json(folder / PLAN)["films"])
    except (ValueError, KeyError, TypeError):
        return None
